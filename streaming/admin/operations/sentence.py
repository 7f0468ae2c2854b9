"""The first sentence of the page: whether all is well, since when, why, and what happens next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils.html import escape

from betting.web import documents
from betting.web.board.strip import CHECKED_SECONDS
from streaming.admin.operations.providers import Card
from streaming.core.health import Check, Status, runbook, title
from streaming.health.checks import CHECKS, GROUPS
from streaming.health.judges.common import counted
from streaming.health.observations import Away
from streaming.health.report import HealthReport

Tone = Literal["good", "warn", "bad"]

_WORDS: dict[Status, tuple[str, Tone]] = {
    Status.PASS: ("Well", "good"),
    Status.WARN: ("Take care", "warn"),
    Status.UNKNOWN: ("Not known", "bad"),
    Status.FAIL: ("Not well", "bad"),
}
_ORDER = {each.__name__: place for place, each in enumerate(CHECKS)}
_SERVERS = {each.__name__ for each in GROUPS["servers"]}
_OF_PROVIDERS = {"circuits", "provider_silence", "activity"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """The sentence, in its parts.

    Attributes:
        tone: its colour.
        words: the verdict, e.g. "Not well".
        since: since when that is so; None where nothing has recorded it.
        may_be_earlier: True where it may have begun before `since`.
        text: why, one or more sentences.
        probe_at: when the provider that fails is asked again.
        circuit_id: its circuit's.
        reference: of the runbook's section; empty if there is nothing to do.
        advice: what to do first, where that is not the section's own first step.
        is_unchecked: True while nobody takes snapshots, so that what comes from them is old.
    """

    tone: Tone
    words: str
    since: datetime | None
    text: str
    may_be_earlier: bool = False
    probe_at: datetime | None = None
    circuit_id: int | None = None
    reference: str = ""
    advice: str = ""
    is_unchecked: bool = False

    @property
    def what_to_do(self) -> str:
        """The address of the runbook's section; empty if there is nothing to do."""
        return documents.address(self.reference) if self.reference else ""

    @property
    def first_step(self) -> str:
        """The first thing to do, safe as HTML; empty where this installation has no runbook."""
        if self.advice or not self.reference:
            return escape(self.advice)
        found = documents.section(self.reference)
        return "" if found is None else found.first_step


def sentence(report: HealthReport, cards: Sequence[Card]) -> Sentence:
    """Return the sentence on a report.

    Args:
        report: the report.
        cards: of the providers, those in trouble first.
    """
    if report.status is Status.PASS and not _is_unchecked(report):
        return _well(report.checks)
    check = _cause(report)
    if _is_unchecked(report) and (check is None or check.name not in _SERVERS):
        return _unchecked(report)
    assert check is not None
    words, tone = _WORDS[check.status]
    found = Sentence(
        tone, words, check.since, check.detail + _also(report, check), check.may_be_earlier,
        reference=check.runbook,
    )  # fmt: skip
    card = next((card for card in cards if card.tone == "bad"), None)
    return found if card is None or check.name not in _OF_PROVIDERS else _of_provider(
        found, card, report, cards
    )  # fmt: skip


def _well(checks: Sequence[Check]) -> Sentence:
    """Return the sentence while all checks pass: since the last of them began to."""
    text = f"All {len(checks)} checks pass."
    begun = [(each.since, each.may_be_earlier) for each in checks if each.since is not None]
    since, may_be_earlier = max(begun) if len(begun) == len(checks) else (None, False)
    return Sentence("good", "Well", since, text, may_be_earlier)


def checked_at(report: HealthReport) -> datetime | None:
    """Return when the newest snapshot was taken; None before the first."""
    stream = report.observations.stream
    return None if isinstance(stream, Away) or stream.earlier is None else stream.earlier.taken_at


def _cause(report: HealthReport) -> Check | None:
    """Return the worst check; of several the one that explains most of the others.

    The order of the checks is that of causes: without servers no process works, without processes
    no provider is polled, without providers nothing is valued.
    """
    worst = report.status
    wrong = [check for check in report.checks if check.status is worst is not Status.PASS]
    return min(wrong, key=lambda check: _ORDER[check.name], default=None)


def _also(report: HealthReport, cause: Check) -> str:
    """Name lesser troubles that do not follow from the cause: those before it in the order."""
    names = [
        title(check.name)
        for check in report.checks
        if check.status is not Status.PASS and _ORDER[check.name] < _ORDER[cause.name]
    ]
    return f" Also not well: {', '.join(names)}." if names else ""


def _is_unchecked(report: HealthReport) -> bool:
    """Return True if nobody takes snapshots, or none was ever taken."""
    stream = report.observations.stream
    if isinstance(stream, Away):
        return False
    taken = checked_at(report)
    return taken is None or (stream.now - taken).total_seconds() > CHECKED_SECONDS


def _unchecked(report: HealthReport) -> Sentence:
    taken = checked_at(report)
    is_starting = any(check.name == "workers" and check.is_starting for check in report.checks)
    if taken is None:
        words = "Not checked yet"
        text = (
            "No snapshot was ever taken. Beat asks for one every few seconds, and worker-io takes"
            " it: until both run, no failure is reported."
        )
    else:
        words = "Not checked"
        text = (
            "Beat or worker-io is down, so nobody takes snapshots and no failure is reported."
            " Charts and rates end there; the other states are read now."
        )
    tone: Tone = "warn" if is_starting else "bad"
    return Sentence(tone, words, taken, text, reference=runbook("workers"), is_unchecked=True)


def _of_provider(
    found: Sentence, card: Card, report: HealthReport, cards: Sequence[Card]
) -> Sentence:
    """Return a sentence that names a provider, what it answers and what that costs."""
    stream = report.observations.stream
    assert not isinstance(stream, Away)
    others = sum(other.tone == "bad" for other in cards) - 1
    more = f" So {'does' if others == 1 else 'do'} {counted(others, 'other')}." if others else ""
    lost = sum(other.quarantined or 0 for other in cards)
    edges = counted(stream.edges_open, "edge") + " open" if stream.edges_open else "board empty"
    return Sentence(
        found.tone,
        found.words,
        found.since,
        f"{card.key} {card.trouble}.{more} {counted(lost, 'quote')} quarantined, {edges}.",
        found.may_be_earlier,
        probe_at=card.retry_at if card.is_refusing else None,
        circuit_id=card.circuit_id,
        reference="docs/runbook.md#a-circuit-is-open"
        if card.is_refusing
        else runbook("provider_silence"),
        advice=_advice(card) if card.is_refusing else "",
    )


def _advice(card: Card) -> str:
    """Return what to do first about a circuit that refuses calls."""
    if card.mode == "forced_open":
        return "reset the circuit when the provider may be polled again."
    return card.advice or (
        "nothing: probes go on by themselves, and good answers close the circuit. If it lasts, ask"
        " the provider."
    )
