"""Fixed and adaptive windows are replayed on the same changes, and compared at equal recomputes."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.benchmark.debounce import frontier
from streaming.benchmark.debounce.bursts import burst
from streaming.benchmark.debounce.frontier import Pair, Spread, compare
from streaming.benchmark.debounce.replay import ServiceTimes, play
from streaming.benchmark.debounce.tables import verdict
from streaming.benchmark.debounce.tapes import Answer, Change, Tape, recorded
from streaming.benchmark.debounce.windows import Adaptive, Fixed, Windows
from streaming.core.adaptive_debounce import AdaptivePolicy
from streaming.core.coalesce import CoalescePolicy
from tests.support.betfair_recordings import FEEDS, MATCH, RACE, Best, Reading, messages, recording

PAYLOADS = Path(__file__).parents[2] / "contract" / "payloads"
AT_ONCE = ServiceTimes(transit=0, recompute=0, market=0, nothing=0, flush=0)
"""Workers that take no time: what is left of a latency is the wait."""


def tape(*answers: tuple[float, Sequence[tuple[int, float | None, bool]]]) -> Tape:
    """A tape of two-way markets, each of whose changes moves its fair price to another one."""
    numbers = dict[int, int]()
    made, fair = list[Answer](), dict[int, list[float]]()
    for at_ms, changes in answers:
        own = []
        for market, move, is_major in changes:
            number = numbers[market] = numbers.get(market, -1) + 1
            own.append(Change(market, number, move, is_major))
            fair.setdefault(market, []).append(0.5 + 0.01 * (number % 2))
        made.append(Answer(at_ms, own))
    series = [np.array([[p, 1 - p] for p in fair.get(market, [])]).reshape(-1, 2)
              for market in range(max(fair) + 1)]  # fmt: skip
    return Tape("made", made, series)


def fixed(window_ms: int = 250) -> Windows:
    return Fixed(CoalescePolicy(batch_ms=window_ms, debounce_ms=window_ms))


def adaptive(worth: float = 0.02, cap_ms: float = 500.0) -> Windows:
    return Adaptive(CoalescePolicy(), AdaptivePolicy(recompute_worth=worth), cap_ms)


change = st.tuples(st.integers(0, 5), st.none() | st.floats(0, 2), st.booleans())
changes = st.lists(change, min_size=1, max_size=4, unique_by=lambda each: each[0])
tapes = st.lists(st.tuples(st.floats(0, 400), changes), min_size=1, max_size=40)


@settings(deadline=None)
@given(tapes, st.sampled_from([0, 50, 250, 500]), st.floats(0, 10), st.booleans())
def test_the_last_price_is_published_and_nothing_waits_longer_than_the_cap(
    drawn: list[tuple[float, list[tuple[int, float | None, bool]]]],
    window_ms: int,
    worth: float,
    is_adaptive: bool,
) -> None:
    """The replay itself refuses to end with a price that is not published."""
    now, answers = 0.0, []
    for gap_ms, each in drawn:
        now += gap_ms
        answers.append((now, each))
    windows = adaptive(worth, 2.0 * window_ms) if is_adaptive else fixed(window_ms)
    # Number the markets without gaps: a tape has no market that never changes.
    known = sorted({market for _, each in answers for market, _, _ in each})
    made = [
        (at, [(known.index(m), move, major) for m, move, major in each]) for at, each in answers
    ]
    played = play(tape(*made), windows, AT_ONCE)
    assert np.all(played.latency_ms <= 2.0 * window_ms + 1e-6)
    assert played.is_valued.sum() <= played.latency_ms.size


def test_a_burst_of_one_market_is_valued_at_once_and_after_each_window() -> None:
    made = tape(*((10.0 * step, [(0, 0.01, False)]) for step in range(20)))
    played = play(made, fixed(), AT_ONCE)
    assert played.is_valued.tolist() == [1, *[0] * 18, 1]
    # The second change waits a window; the others for it.
    assert played.latency_ms[:3].tolist() == [0.0, 250.0, 240.0]


def test_the_error_is_the_distance_of_the_prices_times_how_long_they_differed() -> None:
    two = tape((0.0, [(0, None, False)]), (100.0, [(0, 0.01, False)]))
    played = play(two, fixed(), AT_ONCE)
    assert played.error.sum() == pytest.approx(0.01 * 0.25)


def test_a_busy_worker_makes_messages_wait() -> None:
    times = replace(AT_ONCE, recompute=100.0)
    two = tape((0.0, [(0, None, False)]), (10.0, [(1, None, False)]))
    assert play(two, fixed(), times).latency_ms.tolist() == [100.0, 190.0]
    assert play(two, fixed(), replace(times, value_workers=2)).latency_ms.tolist() == [100.0] * 2
    assert play(two, fixed(), times).worker_seconds == 0.2


def test_a_major_move_has_a_worker_of_its_own_and_takes_the_waiting_change_along() -> None:
    made = tape((0.0, [(0, 0.01, False)]), (20.0, [(0, 0.01, False)]), (40.0, [(0, 0.3, True)]))
    played = play(made, fixed(), AT_ONCE)
    assert played.latency_ms.tolist() == [0.0, 20.0, 0.0]
    assert played.messages == 3, "the batch finds nothing to do"


def test_the_burst_of_adr_43_saves_as_much_as_was_measured() -> None:
    """20 changes a second of each of 200 markets for 2 s: 80.0 to 81.2 % fewer recomputes.

    Of a market that is one at its first change and one a window; in the measured burst the first
    change follows an earlier one, and waits.
    """
    played = play(burst(per_answer=200), fixed())
    assert played.latency_ms.size == 8_000
    assert played.is_valued.sum() == 200 * (1 + 8)


def drifting() -> Tape:
    """Bursts of small moves, and single large ones."""
    chance = np.random.default_rng(4)
    at, answers = 0.0, []
    for _ in range(400):
        is_burst = chance.random() < 0.8
        at += chance.exponential(80.0 if is_burst else 3_000.0)
        answers.append((at, [(0, 0.002 if is_burst else 0.2, False)]))
    return tape(*answers)


def test_at_equal_recomputes_each_window_is_compared_with_an_adaptive_one() -> None:
    found = compare(drifting(), "second", AdaptivePolicy())
    assert found.changes == 200
    assert [pair.window_ms for pair in found.pairs] == list(frontier.WINDOWS_MS)
    for pair in found.pairs:
        assert pair.adaptive.recomputes == pair.fixed.recomputes
        assert pair.error.value == pytest.approx(pair.adaptive.error / pair.fixed.error)


def test_first_and_second_half_make_the_whole() -> None:
    whole, first, second = (
        compare(drifting(), part, AdaptivePolicy()).pairs[4].fixed
        for part in ("all", "first", "second")
    )
    assert whole.recomputes == first.recomputes + second.recomputes
    assert whole.error == pytest.approx(first.error + second.error)


def pair(window_ms: int, error: Spread, p95: Spread) -> Pair:
    none = frontier.Figures(1, 1, 1, 1)
    return Pair(window_ms, none, none, error, p95, Spread(1, 1, 1))


LATENCY = "the 95th percentile of the latency"


def test_a_window_counts_as_beaten_only_beyond_the_spread() -> None:
    less, same, more = Spread(0.7, 0.8, 0.9), Spread(0.7, 0.8, 1.1), Spread(1.1, 1.2, 1.3)
    found = replace(compare(drifting(), "all", AdaptivePolicy()), changes=500)
    pairs = [pair(50, same, same), pair(100, less, more), pair(150, same, less)]
    assert list(verdict(replace(found, pairs=pairs))) == [
        "At equal recomputes the error is smaller than with a window of 100 ms.",
        f"At equal recomputes {LATENCY} is smaller than with a window of 150 ms.",
        f"At equal recomputes {LATENCY} is larger than with a window of 100 ms.",
        "Not every fixed window is beaten: nothing is shown against a window of 50 ms.",
    ]
    assert list(verdict(replace(found, pairs=pairs[1:])))[-1] == "Every fixed window is beaten."


def test_a_tape_tells_changes_moves_and_fair_prices() -> None:
    found = recorded(PAYLOADS / "betfair_stream" / "match_odds.jsonl")
    assert found.changes == len(found.answers) == sum(len(each) for each in found.fair)
    assert found.answers[0].at_ms == 0
    (series,) = found.fair
    known = series[~np.isnan(series).any(axis=1)]
    assert np.allclose(known.sum(axis=1), 1.0)


def test_frames_as_they_were_captured_are_read(tmp_path: Path) -> None:
    lines = (PAYLOADS / "kalshi_stream" / "tape.jsonl").read_text("utf-8").splitlines()
    frames = [
        {"received_ms": 1_786_000_000_000 + 1_000 * number, "frame": frame}
        for number, line in enumerate(lines)
        for body in [json.loads(line)["body"]]
        for frame in (body if isinstance(body, list) else [body])
    ]
    path = tmp_path / "capture.json"
    path.write_text(json.dumps({"captured_ms": 0, "frames": frames}), "utf-8")
    assert recorded(path).changes > 0


@pytest.mark.parametrize("name", [MATCH, RACE])
def test_a_recording_of_betfair_is_read_message_by_message(name: str) -> None:
    """A second reading, by the protocol's own rules, finds as many changes of best prices."""
    path = recording(name)
    reading, before, changes, times = Reading(), Best(), 0, list[int]()
    for line in messages(path):
        published = reading.take(line)
        if reading.best != before:
            before, changes = reading.best, changes + 1
            times.append(published)
    found = recorded(path)
    assert len(found.answers) == changes
    assert [round(each.at_ms) for each in found.answers] == [at - times[0] for at in times]


def test_the_command_prints_a_table_and_says_what_was_won() -> None:
    out = io.StringIO()
    tape = PAYLOADS / "betfair_stream" / "match_odds.jsonl"
    call_command("benchmark", "debounce", str(tape), "--part", "all", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("match_odds.jsonl: 6 changes, of which ")
    assert lines[2].startswith("| window | recomputes | p50 → p95, ms |")
    assert [line.split(" | ")[0] for line in lines[4:14]] == [
        f"| {window} ms" for window in range(50, 501, 50)
    ]
    assert lines[-1] == "- 6 changes are too few to judge by."


def test_the_command_prints_a_table_of_bursts_without_a_tape() -> None:
    out = io.StringIO()
    call_command("benchmark", "debounce", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("| markets in an answer | windows | recomputes | messages |")
    assert [line.split(" | ")[1] for line in lines[2:6]] == [
        "100 ms",
        "250 ms",
        "500 ms",
        "adaptive",
    ]


def test_recorded_polls_are_refused_because_they_do_not_tell_when_prices_changed(
    tmp_path: Path,
) -> None:
    polled = Path(__file__).parents[2] / "recordings" / "simulated.jsonl.gz"
    with pytest.raises(CommandError, match="it is of no stream"):
        call_command("benchmark", "debounce", str(polled))
    with pytest.raises(CommandError, match="nothing"):
        call_command("benchmark", "debounce", str(tmp_path / "nothing.jsonl"))


@pytest.mark.parametrize("name", ["ws_orderbook_stream.json.gz"])
def test_the_capture_of_kalshi_is_replayed_where_it_is(name: str) -> None:
    path = FEEDS.parent / "kalshi" / name
    if not path.is_file():
        pytest.skip("no recorded feeds beside the checkout (../shared/feeds/kalshi)")
    found = recorded(path)
    played = play(found, adaptive())
    assert played.latency_ms.size == found.changes
