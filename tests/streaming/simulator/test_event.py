from __future__ import annotations

from random import Random

import pytest

from streaming.simulator.catalogue import BOOKMAKERS, SPORTS, Bookmaker
from streaming.simulator.event import Desk, SimulatedEvent, biased
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.quoting import Fixture, View

NBA = SPORTS[0]
FIXTURE = Fixture(NBA, "Home", "Away", ())
PROMPT = MarketPolicy(slow_rate=0.0)
LATE = MarketPolicy(slow_rate=1.0, slow_factor=50.0)
PINNACLE = next(book for book in BOOKMAKERS if book.key == "pinnacle")
LEVEL = View(0.0, 12.0, 226.0, 17.0)
MOVED = View(4.0, 12.0, 226.0, 17.0)


def desk_of(book: Bookmaker = PINNACLE) -> Desk:
    return Desk(book, FIXTURE, 0.0, LEVEL, 0.0)


def event_of(policy: MarketPolicy, seed: int = 1) -> SimulatedEvent:
    return SimulatedEvent("e" * 32, FIXTURE, (100.0, 400.0), BOOKMAKERS, policy, Random(seed), 0.0)


def seconds_to_follow(policy: MarketPolicy, seed: int) -> float:
    desk, rng = desk_of(), Random(seed)
    for tick in range(1, 10_000):
        desk.follow(MOVED, tick / 10, policy, rng)
        if desk.changed_at > 0:
            return desk.changed_at
    raise AssertionError("the desk never followed")


def test_a_desk_leaves_its_prices_alone_while_nothing_moves() -> None:
    desk, rng = desk_of(), Random(1)
    before = desk.offers("h2h")
    for second in range(1, 60):
        desk.follow(LEVEL, float(second), PROMPT, rng)
    assert desk.offers("h2h") is before


def test_a_desk_follows_a_move_after_a_lag_of_its_own() -> None:
    lags = [seconds_to_follow(PROMPT, seed) for seed in range(200)]
    assert sum(lags) / len(lags) == pytest.approx(PINNACLE.lag_seconds + 0.15, rel=0.25)


def test_a_late_desk_leaves_an_edge_for_many_times_its_lag() -> None:
    prompt = [seconds_to_follow(PROMPT, seed) for seed in range(50)]
    late = [seconds_to_follow(LATE, seed) for seed in range(50)]
    assert sum(late) > 20 * sum(prompt)


def test_last_update_moves_without_any_reprice_and_never_lies_ahead() -> None:
    desk = desk_of()
    stamps = [desk.last_update(float(second)) for second in range(200)]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) > 10
    assert all(stamp <= second for second, stamp in enumerate(stamps))


def test_a_suspended_desk_comes_back_with_a_fresh_opinion() -> None:
    event = event_of(MarketPolicy(suspend_rate=1.0, news_per_second=1.0))
    event.step(1.0, 1.0)
    assert all(desk.is_suspended(1.5) for desk in event.desks)
    quiet = max(desk.suspended_until for desk in event.desks)
    event._policy = PROMPT
    event.step(quiet + 0.5, 0.5)
    assert not any(desk.is_suspended(quiet + 0.5) for desk in event.desks)
    assert all(desk.changed_at > 1.0 for desk in event.desks)


def test_in_play_the_truth_moves_many_times_faster_than_before() -> None:
    def travelled(start: float) -> float:
        total = 0.0
        for seed in range(20):
            event = event_of(PROMPT, seed)
            before = event.truth(start)
            for tick in range(1, 41):
                event.step(start + tick * 0.5, 0.5)
            total += abs(event.truth(start + 20.0).margin - before.margin)
        return total

    assert travelled(200.0) > 3 * travelled(0.0)


def test_uncertainty_shrinks_as_the_event_is_played_and_never_vanishes() -> None:
    event = event_of(PROMPT)
    sds = [event.truth(at).margin_sd for at in (0.0, 100.0, 200.0, 300.0, 399.9, 500.0)]
    assert sds[0] == sds[1] == NBA.margin_sd
    assert sds == sorted(sds, reverse=True)
    assert sds[-1] > 0


def test_a_biased_view_errs_on_the_side_of_its_bias() -> None:
    assert biased(LEVEL, 0.1).margin > LEVEL.margin > biased(LEVEL, -0.1).margin
