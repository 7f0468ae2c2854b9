"""Patterns of dead letters: failures of one likely cause, by their frames and their messages.

A fingerprint is exact: another task or a wrapper between two frames makes another one. Here
failures of one exception are one cluster when most of their frames and messages are alike. After
FaST (fast stack-trace similarity in linear time): the n-th occurrence of a frame in one trace is
aligned with its n-th in the other, and each weighs by its distance from the failure and by the
number of different messages it occurs with.

It is a reading for people: fingerprints, rows and replays do not depend on it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from streaming.core.letters import frames, normalised

THRESHOLD = 0.65
"""The similarity from which two failures are of one cluster."""
MESSAGE_SHARE = 0.7
"""The part that a long message has in a similarity; one without plain words has none."""
NEAREST_FRAMES = 3
"""Failures are compared if they share the masked message or one of this many innermost frames."""
MAX_COMPARED = 30
"""The clusters that a failure is compared with under each of these; keeps the whole linear."""
MAX_FRAMES = 100
"""The innermost frames that are compared; an endless recursion has a thousand."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure that came first: the root of a chain of exceptions.

    Attributes:
        exception: the exception's class, dotted as far as it is known.
        message: its text, without what differs from one time to the next.
        frames: "module:function", outermost first.
    """

    exception: str
    message: str
    frames: tuple[str, ...]

    @property
    def name(self) -> str:
        """The exception's class without its module, which a chain may not name."""
        return self.exception.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Letters of one fingerprint with one failure.

    Attributes:
        count: how often it happened.
    """

    failure: Failure
    fingerprint: str
    count: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class LetterCluster:
    """Groups of one likely cause.

    Attributes:
        key: the same as long as the cluster's first failure, in the order of their texts, is.
        groups: the most frequent first.
    """

    key: str
    groups: tuple[LetterGroup, ...]

    @property
    def count(self) -> int:
        """The number of failures."""
        return sum(group.count for group in self.groups)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints, sorted."""
        return tuple(sorted({group.fingerprint for group in self.groups}))

    @property
    def first_seen(self) -> datetime:
        """The time of the first failure."""
        return min(group.first_seen for group in self.groups)

    @property
    def last_seen(self) -> datetime:
        """The time of the last failure."""
        return max(group.last_seen for group in self.groups)

    @property
    def per_hour(self) -> float:
        """Failures an hour while they lasted; less than an hour counts as one."""
        hours = (self.last_seen - self.first_seen).total_seconds() / 3600
        return self.count / max(hours, 1.0)


def failure_of(exception: str, message: str, traceback: str) -> Failure:
    r"""Return what failed first: the root, where an exception was raised from another.

    >>> text = 'Traceback (most recent call last):\n  File "/a/b/c.py", line 1, in take\n'
    >>> chain = text + "KeyError: 7\n" + _CAUSED + "\n" + text + "core.Retry: gave up\n"
    >>> failure_of("core.Retry", "gave up", chain)
    Failure(exception='KeyError', message='#', frames=('b/c.py:take',))
    >>> failure_of("builtins.KeyError", "'x'", text + "KeyError: 'x'\n").exception
    'builtins.KeyError'
    """
    root, is_chain, _ = traceback.partition(_CAUSED)
    if is_chain and (raised := _RAISED.search(root, max(root.rfind(_FRAME), 0))):
        exception, message = raised[1], raised[2] or ""
    return Failure(exception, normalised(message).strip(), tuple(frames(root)))


def clusters(groups: Iterable[LetterGroup]) -> list[LetterCluster]:
    """Return the groups in clusters, the most frequent first; their order does not matter.

    Each group is in one cluster, and groups of one failure are in the same.

    >>> noon = datetime(2026, 3, 1, 12)
    >>> def group(fingerprint, *frames):
    ...     return LetterGroup(
    ...         Failure("KeyError", "no market #", frames), fingerprint, 2, noon, noon
    ...     )
    >>> near = [group("aa", "a:task", "m:take"), group("bb", "b:task", "m:retry", "m:take")]
    >>> [(each.count, each.fingerprints) for each in clusters(near)]
    [(4, ('aa', 'bb'))]
    """
    by_failure: dict[Failure, list[LetterGroup]] = defaultdict(list)
    for group in groups:
        by_failure[group.failure].append(group)
    failures = sorted(by_failure, key=_order)
    members: dict[Failure, list[LetterGroup]] = defaultdict(list)
    for failure, leader in _leaders(failures).items():
        members[leader] += by_failure[failure]
    found = [
        LetterCluster(_key(leader), tuple(sorted(each, key=_frequency)))
        for leader, each in members.items()
    ]
    return sorted(found, key=lambda each: (-each.count, each.key))


def similarity(a: Failure, b: Failure, spread: Mapping[str, int]) -> float:
    """Return how alike two failures are, from 0 to 1; 0 for different exceptions.

    Args:
        a: one failure.
        b: the other; the similarity is the same with `a` and `b` exchanged.
        spread: frame → the number of different messages that it occurs with.

    >>> one = Failure("KeyError", "no market #", ("a:task", "m:take"))
    >>> similarity(one, one, {})
    1.0
    >>> similarity(one, Failure("ValueError", "no market #", one.frames), {})
    0.0
    """
    if a.name != b.name:
        return 0.0
    of_messages = _alike(_words(a), _words(b))
    if not a.frames and not b.frames:
        return of_messages
    plain = min(_plain_words(a), _plain_words(b))
    share = MESSAGE_SHARE * plain / (plain + 1)
    of_frames = _alike(_weights(a, spread), _weights(b, spread))
    return share * of_messages + (1 - share) * of_frames


def _leaders(failures: Sequence[Failure]) -> dict[Failure, Failure]:
    """Return failure → the first one of its cluster."""
    spread = _spread(failures)
    leaders: dict[Failure, Failure] = {}
    near: dict[Hashable, list[Failure]] = defaultdict(list)
    for failure in failures:
        compared = dict.fromkeys(each for key in _keys(failure) for each in near[key])
        scores = [(similarity(failure, each, spread), each) for each in compared]
        score, best = max(scores, key=lambda pair: pair[0], default=(0.0, failure))
        leaders[failure] = leader = best if score >= THRESHOLD else failure
        if leader is failure:
            for key in _keys(failure):
                if len(near[key]) < MAX_COMPARED:
                    near[key].append(failure)
    return leaders


def _keys(failure: Failure) -> list[Hashable]:
    """Return what one of two failures that are compared must share with the other."""
    keys: list[Hashable] = [("message", failure.name, failure.message)]
    nearest = dict.fromkeys(failure.frames[-NEAREST_FRAMES:])
    return keys + [("frame", failure.name, frame) for frame in nearest]


def _spread(failures: Iterable[Failure]) -> dict[str, int]:
    """Return frame → the number of different messages that it occurs with.

    Messages and not traces: the function that fails is in every trace of its cause, and must not
    weigh less for it.
    """
    messages: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for failure in failures:
        for frame in failure.frames:
            messages[frame].add((failure.name, failure.message))
    return {frame: len(each) for frame, each in messages.items()}


def _weights(failure: Failure, spread: Mapping[str, int]) -> dict[Hashable, float]:
    """Return (frame, its how-manieth occurrence) → weight, which falls with the distance."""
    seen: Counter[str] = Counter()
    weights: dict[Hashable, float] = {}
    for distance, frame in enumerate(reversed(failure.frames[-MAX_FRAMES:])):
        seen[frame] += 1
        rarity = spread.get(frame, 1) ** -2
        weights[frame, seen[frame]] = rarity / math.sqrt(1 + distance)
    return weights


def _words(failure: Failure) -> dict[Hashable, float]:
    return {word: float(count) for word, count in Counter(failure.message.split()).items()}


def _plain_words(failure: Failure) -> int:
    return sum("#" not in word for word in failure.message.split())


def _alike(a: Mapping[Hashable, float], b: Mapping[Hashable, float]) -> float:
    """Return the part of the weights that two have in common; 1 if both are empty."""
    total = math.fsum([*a.values(), *b.values()])
    if not total:
        return 1.0
    return 2 * math.fsum(min(weight, b[each]) for each, weight in a.items() if each in b) / total


def _order(failure: Failure) -> tuple[str, str, int, tuple[str, ...]]:
    """Return the order in which failures found clusters: the shortest traces are the plainest."""
    return (failure.exception, failure.message, len(failure.frames), failure.frames)


def _frequency(group: LetterGroup) -> tuple[object, ...]:
    order = (group.fingerprint, group.first_seen, group.last_seen)
    return (-group.count, _order(group.failure), *order)


def _key(failure: Failure) -> str:
    text = "\x1f".join((failure.exception, failure.message, *failure.frames))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


_CAUSED = "\nThe above exception was the direct cause of the following exception:\n"
_FRAME = '  File "'
_RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?\s*\Z", re.MULTILINE | re.DOTALL)
"""The end of a traceback, after its last frame: what was raised, with a message of any lines."""
