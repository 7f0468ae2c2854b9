"""Clusters of letters: each letter in one, whatever the order, alike by frames and words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from streaming.core.letter_clusters import (
    Failure,
    LetterGroup,
    clusters,
    failure_of,
    similarity,
)
from streaming.core.letters import fingerprint
from tests.support.labelled_failures import labelled_failures
from tests.support.partitions import adjusted_rand, purity

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FRAMES = ("tasks:take", "poll:ask", "poll:read", "db:execute", "retry:again")
failures = st.builds(
    Failure,
    exception=st.sampled_from(["builtins.KeyError", "KeyError", "builtins.ValueError"]),
    message=st.lists(st.sampled_from(["no", "market", "#", "edge"]), max_size=4).map(" ".join),
    frames=st.lists(st.sampled_from(FRAMES), max_size=6).map(tuple),
)
groups = st.builds(
    LetterGroup,
    failure=failures,
    fingerprint=st.sampled_from(["aa", "bb", "cc"]),
    count=st.integers(1, 50),
    first_seen=st.integers(0, 100).map(lambda n: NOON - timedelta(minutes=n)),
    last_seen=st.integers(0, 100).map(lambda n: NOON + timedelta(minutes=n)),
)
many = st.lists(groups, max_size=25)


def failure(*frames: str, message: str = "no market #", exception: str = "KeyError") -> Failure:
    return Failure(exception, message, frames)


def group(of: Failure, count: int = 1, **fields: datetime) -> LetterGroup:
    times = {"first_seen": NOON, "last_seen": NOON, **fields}
    return LetterGroup(of, "aa", count, **times)


def is_one(*of: Failure) -> bool:
    return len(clusters(map(group, of))) == 1


@given(many, st.randoms())
def test_the_order_of_letters_does_not_matter(
    given_groups: list[LetterGroup], chance: Random
) -> None:
    shuffled = [*given_groups]
    chance.shuffle(shuffled)
    assert clusters(shuffled) == clusters(given_groups)


@given(many)
def test_every_group_is_in_exactly_one_cluster(given_groups: list[LetterGroup]) -> None:
    found = [each for cluster in clusters(given_groups) for each in cluster.groups]
    assert sorted(found, key=repr) == sorted(given_groups, key=repr)


@given(many)
def test_equal_failures_are_always_together(given_groups: list[LetterGroup]) -> None:
    of: dict[Failure, set[str]] = {}
    for cluster in clusters(given_groups):
        for each in cluster.groups:
            of.setdefault(each.failure, set()).add(cluster.key)
    assert all(len(keys) == 1 for keys in of.values())


@given(many)
def test_a_cluster_has_one_exception_and_the_sums_of_its_groups(
    given_groups: list[LetterGroup],
) -> None:
    found = clusters(given_groups)
    assert len({cluster.key for cluster in found}) == len(found)
    assert sum(cluster.count for cluster in found) == sum(each.count for each in given_groups)
    for cluster in found:
        assert len({each.failure.name for each in cluster.groups}) == 1
        assert cluster.first_seen <= cluster.last_seen


@given(many)
def test_counts_and_times_do_not_move_a_letter(given_groups: list[LetterGroup]) -> None:
    later = [
        LetterGroup(each.failure, each.fingerprint, each.count + 7, NOON, NOON)
        for each in given_groups
    ]
    assert {c.key: len(c.groups) for c in clusters(later)} == {
        c.key: len(c.groups) for c in clusters(given_groups)
    }


@given(failures, failures, st.dictionaries(st.sampled_from(FRAMES), st.integers(1, 9)))
def test_similarity_is_symmetric_within_0_and_1_and_1_for_the_same(
    a: Failure, b: Failure, spread: dict[str, int]
) -> None:
    there = similarity(a, b, spread)
    assert abs(there - similarity(b, a, spread)) < 1e-9
    assert 0 <= there <= 1 + 1e-9
    assert abs(similarity(a, a, spread) - 1) < 1e-9


def test_another_task_or_a_wrapper_in_between_stays_in_the_cluster() -> None:
    assert is_one(
        failure("tasks:poll", "ingest:write"),
        failure("tasks:sweep", "ingest:write"),
        failure("tasks:sweep", "retry:again", "retry:again", "ingest:write"),
    )


def test_the_same_words_in_other_places_are_another_cluster() -> None:
    assert not is_one(
        failure("providers:decode", "providers:market_of", message="#"),
        failure("consensus:weigh", "consensus:weight_of", message="#"),
    )


def test_other_words_at_the_same_place_are_another_cluster() -> None:
    place = ("devig:fair_prices", "devig:solve")
    assert not is_one(
        failure(*place, message="no convergence after # steps"),
        failure(*place, message="overround of market # is below one"),
    )


def test_letters_without_a_traceback_are_clustered_by_their_message() -> None:
    assert is_one(failure(), failure())
    assert not is_one(failure(), failure(message="the peer went away"))


def test_a_frame_of_many_messages_says_less_than_one_of_its_own() -> None:
    a, b = failure("own:take", "lib:run", message="#"), failure("other:put", "lib:run", message="#")
    assert similarity(a, b, {"lib:run": 6}) < 0.1
    assert similarity(a, b, {}) > 0.4


def test_the_failure_of_a_chain_is_the_first_and_a_handled_one_is_none() -> None:
    root = 'Traceback (most recent call last):\n  File "/a/x.py", line 1, in take\nKeyError: 7\n'
    rest = 'Traceback (most recent call last):\n  File "/a/y.py", line 1, in ask\ncore.Late: 2\n'
    caused = "\nThe above exception was the direct cause of the following exception:\n\n"
    handled = "\nDuring handling of the above exception, another exception occurred:\n\n"
    assert failure_of("core.Late", "2", root + caused + rest) == Failure(
        "KeyError", "#", ("a/x.py:take",)
    )
    assert failure_of("core.Late", "2", root + handled + rest).exception == "core.Late"
    assert failure_of("core.Late", "", "") == Failure("core.Late", "", ())


def test_the_message_of_a_chains_first_failure_may_have_several_lines() -> None:
    root = 'Traceback (most recent call last):\n  File "/a/x.py", line 1, in put\n    run()\n'
    said = "psycopg.errors.UniqueViolation: duplicate key\nDETAIL: Key (id)=(7) exists.\n"
    caused = "\nThe above exception was the direct cause of the following exception:\n\n"
    assert failure_of("django.db.IntegrityError", "", root + said + caused + root) == Failure(
        "psycopg.errors.UniqueViolation",
        "duplicate key\nDETAIL: Key (id)=(#) exists.",
        ("a/x.py:put",),
    )


def test_the_rate_is_of_the_time_it_lasted_and_of_an_hour_at_least() -> None:
    (burst,) = clusters([group(failure(), 30)])
    (slow,) = clusters([group(failure(), 30, last_seen=NOON + timedelta(hours=10))])
    assert (burst.per_hour, slow.per_hour) == (30.0, 3.0)


def test_known_causes_are_found_better_than_by_fingerprints_and_as_pure() -> None:
    truth, letters = zip(*labelled_failures(4), strict=True)
    exact = [fingerprint(letter) for letter in letters]
    of = [failure_of(each.exception, each.message, each.traceback) for each in letters]
    key = {g.failure: c.key for c in clusters(map(group, of)) for g in c.groups}
    found = [key[each] for each in of]
    assert adjusted_rand(truth, found) > adjusted_rand(truth, exact) + 0.5
    assert purity(truth, found) > 0.9


@given(st.lists(st.integers(0, 3), min_size=2, max_size=30))
def test_a_partition_agrees_fully_with_itself_under_other_names(truth: list[int]) -> None:
    assert adjusted_rand(truth, [f"part {n}" for n in truth]) == 1.0
    assert purity(truth, truth) == 1.0


def test_the_adjusted_rand_index_of_a_known_example() -> None:
    # together 2, of the truth 6, of what was found 3, expected 6 * 3 / 15: (2 - 1.2) / (4.5 - 1.2)
    assert abs(adjusted_rand([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2]) - 0.8 / 3.3) < 1e-9
    assert purity([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2]) == 5 / 6
