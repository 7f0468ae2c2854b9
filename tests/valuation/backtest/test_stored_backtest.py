"""Backtests of history that ingest and closing have written: the same figures as by hand."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO
from statistics import fmean
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest
from django.core.management import CommandError, call_command
from rich.progress import Progress

from betting.models import Bookmaker, BookmakerWeight, Clock, Event, Market, Outcome, Provider
from streaming.core.snapshot import Snapshot, SnapshotQuote
from streaming.ingest.ingest import IngestPolicy, ingest
from streaming.management.commands import backtest as command
from tests.support import rows
from tests.support.snapshots import AWAY, HOME, at, event, make_provider, quote, snapshot
from tests.valuation.by_hand import Row, value_by_hand
from valuation.backtest.bets import play
from valuation.backtest.betting_policy import BettingPolicy, shipped
from valuation.backtest.run import Backtest, backtest, playing
from valuation.backtest.sample import Sample
from valuation.backtest.stored import (
    Stretch,
    chunks,
    count_events,
    read_bookmakers,
    read_sample,
)
from valuation.closes.take import take
from valuation.models import ClosingQuote, Edge, FairPrice, Result
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

POLICY = ValuationPolicy()
DEFAULT = BettingPolicy("default", weights=None, no_venues=None)
BOOKS = ("ace", "bay", "cap", "dot", "pinnacle", "smarkets")
HOUR = 3600.0
START = 3 * HOUR
JUDGING = ValuationPolicy(
    min_books=1, min_booksum=0.0, max_booksum=99.0, outlier_floor=99.0, min_edge_ev=-1.0
)


@dataclass
class Game:
    """An event as it was said: bookmaker, outcome and side → the price, early and at the close."""

    number: int
    starts: float
    result: tuple[int, int] | None
    early: dict[tuple[str, str, bool], float] = field(default_factory=dict)
    close: dict[tuple[str, str, bool], float] = field(default_factory=dict)

    @property
    def home(self) -> str:
        return f"{HOME} {self.number}"

    @property
    def away(self) -> str:
        return f"{AWAY} {self.number}"


def make_games(count: int, seed: int) -> list[Game]:
    """Games whose prices err around their chances; some quotes are missing early, some late."""
    rng = random.Random(seed)
    games = []
    for number in range(count):
        result = None if number % 3 == 2 else rng.choice([(2, 1), (0, 1)])
        game = Game(number, START + 60 * (number % 4), result)
        chance = rng.uniform(0.35, 0.65)
        for prices, error in ((game.early, 0.05), (game.close, 0.02)):
            for book in BOOKS:
                if rng.random() < 0.1:
                    continue
                said = min(max(chance + rng.gauss(0, error), 0.2), 0.8)
                for name, p in ((game.home, said), (game.away, 1 - said)):
                    prices[book, name, False] = round(1 / p / 1.02, 3)
                    if book == "smarkets":
                        prices[book, name, True] = round(1 / p * 1.01, 3)
        games.append(game)
    return games


def answer(games: list[Game], prices: str, seconds: float) -> Snapshot:
    return snapshot(
        [
            event(
                [
                    quote(book, name, price, side="lay" if is_lay else "back")
                    for (book, name, is_lay), price in getattr(game, prices).items()
                ],
                f"e{game.number}",
                game.starts,
                home=game.home,
                away=game.away,
            )
            for game in games
        ],
        seconds,
    )


def store(games: list[Game], provider: Provider) -> None:
    """Let the real services write the history: early prices, late ones, closes and results."""
    ingest(provider.pk, answer(games, "early", START - HOUR - 100), IngestPolicy())
    ingest(provider.pk, answer(games, "close", START - 100), IngestPolicy())
    ingest(provider.pk, answer(games, "early", START + 300), IngestPolicy())
    while take(POLICY).events:
        pass
    for game in games:
        if game.result:
            home, away = game.result
            Result.objects.create(
                event=Event.objects.get(home=game.home),
                status="final",
                home_score=home,
                away_score=away,
                source="a test",
            )


def samples(stretch: Stretch | None = None, *, size: int = 5, hours: float = 1.0) -> list[Sample]:
    bookmakers = read_bookmakers()
    return [
        read_sample(events, 3600 * hours, bookmakers)
        for events in chunks(stretch or Stretch(), size)
    ]


def run(policy: BettingPolicy, of: list[Sample]) -> Backtest:
    return backtest(of, [playing(policy)], sharp="pinnacle", seed=1)


def board(prices: dict[tuple[str, str, bool], float], game: Game) -> list[Row]:
    return [
        Row(
            market=1,
            outcome=[game.home, game.away].index(name),
            book=BOOKS.index(book),
            price=price,
            is_lay=is_lay,
            weight=10.0 if book == "pinnacle" else 1.0,
            commission=0.02 if book == "smarkets" else 0.0,
        )
        for (book, name, is_lay), price in prices.items()
    ]


@dataclass
class HandFigures:
    """What the default policy comes to, game by game in plain Python."""

    ev: list[float] = field(default_factory=list)
    clv_sharp: list[float] = field(default_factory=list)
    clv_others: list[float] = field(default_factory=list)
    roi: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


def figures_by_hand(games: list[Game]) -> HandFigures:
    found = HandFigures()
    for game in games:
        fair, edges = value_by_hand(board(game.early, game), POLICY)
        early = board(game.early, game)
        p = [fair[1, outcome][1] for outcome in (0, 1)]
        came = None if game.result is None else int(game.result[0] < game.result[1])
        if came is not None and not math.isnan(p[0]):
            found.losses.append(-math.log(p[came]))
        best: dict[tuple[int, bool], tuple[float, float, int]] = {}
        for edge in edges:
            row = early[edge.row]
            if BOOKS[row.book] == "pinnacle" or edge.ev > POLICY.suspicious_ev:
                continue
            kept = 1 - row.commission
            odds = 1 + kept / (row.price - 1) if row.is_lay else 1 + (row.price - 1) * kept
            key = (row.outcome, row.is_lay)
            best[key] = max(best.get(key, (0.0, 0.0, 0)), (odds, edge.ev, row.book))
        for (outcome, is_lay), (odds, ev, book) in best.items():
            found.ev.append(ev)
            for judges, clv in (
                ({"pinnacle"}, found.clv_sharp),
                ({*BOOKS} - {"pinnacle", BOOKS[book]}, found.clv_others),
            ):
                # What was taken off some minutes before the start closed with its last price.
                last = game.early | game.close
                closes = {key: price for key, price in last.items() if key[0] in judges}
                rows_of = [row._replace(weight=1.0) for row in board(closes, game)]
                judged = value_by_hand(rows_of, JUDGING)[0] if closes else {}
                if judged:
                    chance = judged[1, outcome][1]
                    clv.append((1 - chance if is_lay else chance) * odds - 1)
            if came is not None:
                found.roi.append(odds - 1 if (came == outcome) != is_lay else -1.0)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_the_figures_are_those_of_a_plain_reading(seed: int) -> None:
    games = make_games(24, seed)
    store(games, make_provider())
    found = run(DEFAULT, samples())
    by_hand = figures_by_hand(games)

    (row,) = found.rows
    assert (found.matches, found.graded) == (24, 16)
    assert row.scores.claimed_ev.count == len(by_hand.ev) > 10
    assert any(is_lay for sample in samples() for is_lay in bet_sides(sample))
    for estimate, values in (
        (row.scores.claimed_ev, by_hand.ev),
        (row.scores.clv_sharp, by_hand.clv_sharp),
        (row.scores.clv_others, by_hand.clv_others),
        (row.scores.roi, by_hand.roi),
    ):
        assert estimate.count == len(values)
        assert estimate.mean == pytest.approx(fmean(values))
    assert row.quality is not None
    assert row.quality.matches == len(by_hand.losses)
    assert row.quality.log_loss == pytest.approx(fmean(by_hand.losses))


def bet_sides(sample: Sample) -> list[bool]:
    return list(sample.is_lay[play(sample, DEFAULT).bets.quote])


def test_how_many_are_read_together_does_not_matter() -> None:
    store(make_games(11, 3), make_provider())
    whole, parts = (run(DEFAULT, samples(size=size)) for size in (20, 3))
    for name in ("claimed_ev", "clv_sharp", "clv_others", "roi"):
        one, other = (getattr(each.rows[0].scores, name) for each in (whole, parts))
        assert (one.count, one.mean) == (other.count, pytest.approx(other.mean))
        assert one.standard_error == pytest.approx(other.standard_error)
    one, other = whole.rows[0].quality, parts.rows[0].quality
    assert one is not None
    assert other is not None
    assert one.matches == other.matches
    assert one.log_loss == pytest.approx(other.log_loss)
    np.testing.assert_allclose(whole.rows[0].cumulated_clv, parts.rows[0].cumulated_clv)


def test_the_default_policy_bets_where_production_opens_edges() -> None:
    """Same fair prices, same edges: weights, groups, fees and venues are those of the rows."""
    games = make_games(12, 4)
    provider = make_provider()
    taken = ingest(provider.pk, answer(games, "early", START - HOUR - 100), IngestPolicy())
    Bookmaker.objects.filter(key__in=("ace", "bay")).update(price_group="skins")
    Bookmaker.objects.filter(key="cap").update(is_venue=False, weight=4.0)
    dot = Bookmaker.objects.get(key="dot")
    BookmakerWeight.objects.create(bookmaker=dot, family="harbour", kind="h2h", weight=2.5)
    recompute([each.market_id for each in taken.markets], "batch", lambda: POLICY)
    fair = dict(FairPrice.objects.values_list("outcome", "probability"))
    best: dict[tuple[int, str], tuple[float, float]] = {}
    for of, side, price, rate, ev in Edge.objects.filter(ev__lte=POLICY.suspicious_ev).values_list(
        "quote__outcome", "quote__side", "quote__price", "quote__bookmaker__commission", "ev"
    ):
        assert rate is not None
        odds = (1 - rate) * (1 / (price - 1) if side == "lay" else price - 1)
        best[of, side] = max((odds, ev), best.get((of, side), (0.0, 0.0)))

    store(games, provider)

    found_fair: list[float | None] = []
    found_edges: list[float] = []
    for sample in samples():
        played = play(sample, DEFAULT)
        found_fair += [None if math.isnan(p) else p for p in played.fair]
        found_edges += played.bets.ev.tolist()
    assert sorted(found_fair, key=str) == pytest.approx(sorted(fair.values(), key=str))
    assert sum(p is not None for p in found_fair) > 10
    assert sorted(found_edges) == pytest.approx(sorted(ev for _, ev in best.values()))
    assert len(best) > 10


def test_the_groups_of_the_rows_count_once() -> None:
    prices = {HOME: 1.9, AWAY: 1.9}
    quotes = [quote(book, *each) for book in ("ace", "bay", "cap") for each in prices.items()]
    tell(make_provider(), quotes)
    (apart,) = samples()
    assert np.isfinite(play(apart, DEFAULT).fair).all()
    Bookmaker.objects.filter(key__in=("bay", "cap")).update(price_group="skins")
    (together,) = samples()
    assert np.isnan(play(together, DEFAULT).fair).all()
    alone = BettingPolicy("each alone", weights=None, no_venues=None, groups={})
    assert np.isfinite(play(together, alone).fair).all()


def tell(provider: Provider, quotes: list[SnapshotQuote], *before: float) -> None:
    """One event whose quotes are told these seconds before the start, each time a little lower."""
    for seconds in (*(before or (HOUR + 60, 60)), -60):
        lower = 1 - 0.001 * (seconds < HOUR)
        said = [msgspec.structs.replace(each, price=(each.price or 0) * lower) for each in quotes]
        ingest(provider.pk, snapshot([event(said, starts=START)], START - seconds), IngestPolicy())
    take(POLICY)


def plain_board(price: float = 1.9) -> list[SnapshotQuote]:
    return [quote(book, name, price) for book in BOOKS[:4] for name in (HOME, AWAY)]


def test_totals_are_graded_and_pushes_come_back() -> None:
    quotes = [
        quote(book, name, price, kind="totals", point=3.0)
        for book in BOOKS[:4]
        for name, price in (("Over", 2.2 if book == "ace" else 1.95), ("Under", 1.75))
    ]
    tell(make_provider(), quotes)
    Result.objects.create(
        event=Event.objects.get(), status="final", home_score=2, away_score=1, source="a test"
    )
    (sample,) = samples()
    assert (sample.back.tolist(), sample.paid.tolist()) == ([1.0, 1.0], [0.0, 0.0])
    (row,) = run(DEFAULT, [sample]).rows
    assert row.scores.roi.count == 1
    assert row.scores.roi.mean == 0
    assert row.quality is not None
    assert row.quality.matches == 0  # a stake that came back says nothing of the probability


def test_a_recorded_price_that_nobody_saw_for_too_long_is_not_on_the_board() -> None:
    tell(make_provider(), plain_board(), HOUR + 700, 60)
    assert [sample.events for sample in samples()] == [0]
    (earlier,) = samples(hours=1.1)
    assert np.isfinite(play(earlier, DEFAULT).fair).all()


def test_an_event_without_a_closing_price_is_left_out() -> None:
    tell(make_provider(), plain_board(), HOUR + 60)
    assert ClosingQuote.objects.filter(price__isnull=True).exists()
    assert [sample.events for sample in samples()] == [0]


def test_a_price_that_came_later_is_not_on_the_board() -> None:
    tell(make_provider(), plain_board(), HOUR - 120, 60)
    assert [sample.events for sample in samples()] == [0]
    assert run(DEFAULT, samples()).matches == 0


@pytest.mark.parametrize(
    ("polled", "is_valued"),
    [([], True), ([-5000.0], False), ([-5000.0, -120.0], True), ([-5000.0, 120.0], False)],
)
def test_a_live_price_stands_on_polls_and_where_these_are_deleted_on_the_quarantine(
    polled: list[float], is_valued: bool
) -> None:
    """The polls are named by the seconds after the moment of the board."""
    provider = make_provider(clock=Clock.WALL)
    tell(provider, plain_board(), 2 * HOUR, 60)
    for seconds in polled:
        moment = at(START - HOUR + seconds)
        rows.make_poll_run(provider, feed="/odds", started_at=moment)
    (sample,) = samples()
    assert sample.events == is_valued
    assert np.isfinite(play(sample, DEFAULT).fair).all()


def test_each_chunk_is_read_in_three_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    store(make_games(10, 5), make_provider())
    ran: list[object] = []
    execute: Any = psycopg.Cursor.execute

    def counted(self: object, statement: object, *args: object, **options: object) -> object:
        ran.append(statement)
        return execute(self, statement, *args, **options)

    bookmakers = read_bookmakers()
    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    read = [read_sample(events, HOUR, bookmakers) for events in chunks(Stretch(), 5)]
    assert [sample.events for sample in read] == [5, 5]
    assert len(ran) == 3 + 3 + 1  # the last one finds no more events


def test_a_stretch_has_the_events_that_start_in_it() -> None:
    store(make_games(8, 6), make_provider())
    stretch = Stretch(since=at(START + 60), until=at(START + 180))
    assert count_events(stretch) == 4
    assert sum(sample.events for sample in samples(stretch)) == 4


def test_a_start_that_has_moved_since_its_close_is_left_out() -> None:
    store(make_games(3, 7), make_provider())
    first = Event.objects.earliest("id")
    first.commence_time += timedelta(hours=1)
    first.save()
    assert count_events(Stretch()) == 2


def say(*arguments: object) -> str:
    out = StringIO()
    call_command("backtest", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_the_command_says_how_many_have_a_result_and_repeats_itself() -> None:
    store(make_games(12, 8), make_provider())
    said = say()
    assert "12 matches of 2026-03, 8 of them with a result; prices of ace, bay" in said
    assert "never betting" in said
    assert say() == said
    assert "6 matches" in say("--since", at(START + 120).isoformat())
    assert "default" not in say("--policy", "mine; min_books=2")


def test_the_progress_counts_the_events_that_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    store(make_games(5, 10), make_provider())
    first = Event.objects.earliest("id")
    ClosingQuote.objects.filter(market__event=first).update(price=None, seen_at=None, reason="none")
    progress = Progress(disable=True)
    monkeypatch.setattr(command, "_progress", lambda: progress)
    assert "4 matches" in say()
    (task,) = progress.tasks
    assert (task.completed, task.total) == (5, 5)


def test_without_a_sharp_bookmaker_the_column_is_empty() -> None:
    tell(make_provider(), plain_board())
    said = say("--policy", "plain")
    assert "CLV, pinnacle judges" in said
    with pytest.raises(CommandError, match="no prices of 'acee'; did you mean ace"):
        say("--sharp", "acee")


def test_it_says_what_to_do_where_there_is_no_history() -> None:
    assert not Outcome.objects.exists()
    assert not Market.objects.exists()
    with pytest.raises(CommandError, match=r"No event in this time has closing prices.*--results"):
        say()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--learn-weights",), "needs --results"),
        (("--results", "x.csv", "--since", "2026-03-01"), "choose from the stored history"),
        (("--since", "yesterday"), "is no time such as 2026-03-01"),
        (("--hours-before", "0"), "Enter hours above 0"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(CommandError, match=problem):
        say(*arguments)


def test_the_shipped_policies_name_who_is_no_venue() -> None:
    assert [policy.name for policy in shipped(POLICY, ["ace", "bay"])][1] == (
        "never betting at ace, bay"
    )
    assert [policy.name for policy in shipped(POLICY, [*"abcd"])][1] == (
        "never betting at 4 bookmakers"
    )
    assert len(shipped(POLICY, [])) == 2
