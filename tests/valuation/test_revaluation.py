"""Every input of a valuation that changes values the markets again that it touches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from betting.bookmaker_terms import TERMS, Terms, terms_of
from betting.db import price_groups, weights
from betting.models import Bookmaker, Market
from streaming.retention.delete_events import erase_events
from streaming.tasks import sweep
from tests.support import rows
from tests.support.emptying import empty_tables
from tests.support.races import racers
from tests.support.rows import Board
from valuation import revaluation
from valuation.models import AppliedPolicy, Edge, FairPrice, Opportunity, Revaluation
from valuation.opportunities import load
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

POLICY = ValuationPolicy()


@pytest.fixture(autouse=True)
def _eager(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - a fixture
    """What the sweeper sends is valued at once."""
    monkeypatch.setattr(
        "streaming.tasks.send_recomputes",
        lambda ids, trigger: recompute(ids, trigger, lambda: POLICY),
    )


@pytest.fixture
def generous() -> Bookmaker:
    """An exchange whose price is an edge."""
    board: Board = rows.make_board(*[(1.9, 1.9)] * 3)
    exchange = rows.make_bookmaker(key="generous", kind="exchange", commission=0.0)
    for outcome, price in zip(board.outcomes, (2.04, 1.86), strict=True):
        rows.make_quote(outcome, board.feed, price, bookmaker=exchange)
    Market.objects.update(version=1)
    recompute([board.market.pk], "sweep", lambda: POLICY)
    assert open_edges() == 1
    return exchange


def open_edges() -> int:
    return Edge.objects.filter(closed_at__isnull=True).count()


def by_admin(bookmaker: Bookmaker) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    fields = {"title": "Generous", "kind": "exchange", "weight": "1", "commission": "0.05",
              "fee_model": "winnings", "is_venue": "on",
              "weights-TOTAL_FORMS": "0", "weights-INITIAL_FORMS": "0"}  # fmt: skip
    url = reverse("admin:betting_bookmaker_change", args=[bookmaker.pk])
    assert client.post(url, fields).status_code == 302


def by_command(_: Bookmaker) -> None:
    call_command("bookmakers", "set", "generous", "--commission", "0.05", stdout=StringIO())


@pytest.mark.parametrize("change", [by_admin, by_command])
def test_an_edge_closes_when_its_commission_changes_and_no_price_does(
    generous: Bookmaker, change: Callable[[Bookmaker], None]
) -> None:
    change(generous)
    assert Revaluation.objects.get().bookmaker == generous

    sweep()

    assert open_edges() == 0
    assert not Revaluation.objects.exists()


def test_an_exchange_whose_commission_becomes_unknown_has_no_edge(generous: Bookmaker) -> None:
    call_command("bookmakers", "set", "generous", "--commission", "unknown", stdout=StringIO())
    sweep()
    assert open_edges() == 0
    generous.refresh_from_db()
    assert generous.commission is None


def test_what_is_no_input_of_a_valuation_values_nothing_again(generous: Bookmaker) -> None:
    assert not revaluation.change_bookmaker(generous, {"title": "Kind", "weight": 1.0})
    assert not Revaluation.objects.exists()
    generous.refresh_from_db()
    assert generous.title == "Kind"


def test_a_sportsbook_keeps_a_known_part() -> None:
    rows.make_bookmaker(key="book")
    with pytest.raises(CommandError, match="enter 0 for nothing"):
        call_command("bookmakers", "set", "book", "--commission", "unknown")
    with pytest.raises(CommandError, match="did you mean book"):
        call_command("bookmakers", "set", "bok", "--weight", "2")
    with pytest.raises(IntegrityError):
        Bookmaker.objects.update(commission=None)


def test_only_the_markets_that_a_bookmaker_quotes_are_valued_again(generous: Bookmaker) -> None:
    other = rows.make_board((1.9, 1.9)).market
    revaluation.change_bookmaker(generous, {"weight": 3.0})
    touched = revaluation.step()
    assert other.pk not in touched
    assert len(touched) == 1


def test_markets_are_valued_again_in_steps_and_a_crash_between_two_loses_none() -> None:
    boards = [rows.make_board((1.9, 1.9)) for _ in range(5)]
    markets = [board.market.pk for board in boards]
    Revaluation.objects.create(reason="a test")

    first = revaluation.step(limit=2)
    # Whoever took the first step is gone; the row says where to go on.
    rest = [revaluation.step(limit=2) for _ in range(3)]

    assert [first, *rest] == [markets[:2], markets[2:4], markets[4:], []]
    assert set(Market.objects.values_list("version", flat=True)) == {1}
    assert not Revaluation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_market_that_is_deleted_during_a_step_ends_no_revaluation() -> None:
    with racers() as two:
        for stop_at in count():
            empty_tables()
            deleted, *others = (rows.make_board((1.9, 1.9)) for _ in range(5))
            Revaluation.objects.create(reason="a test")
            raised: set[int] = set()

            def delete(event: int = deleted.event.pk) -> None:
                with transaction.atomic():
                    erase_events([event])

            def step(into: set[int] = raised) -> None:
                into.update(revaluation.step(limit=2))

            has_stopped = two.race(delete, step, stop_at)
            while more := revaluation.step(limit=2):
                raised.update(more)
            assert raised - {deleted.market.pk} == {board.market.pk for board in others}
            assert not Revaluation.objects.exists()
            if not has_stopped:
                break


def test_revaluations_are_worked_off_one_after_the_other(generous: Bookmaker) -> None:
    Revaluation.objects.create(reason="a test", after_market=2**40)
    revaluation.change_bookmaker(generous, {"weight": 3.0})
    Revaluation.objects.create(reason="another")
    assert len(revaluation.step()) == 1
    assert Revaluation.objects.get().reason == "another"
    assert len(revaluation.step()) == 1
    assert not Revaluation.objects.exists()


def test_the_code_of_weights_and_price_groups_is_an_input(monkeypatch: pytest.MonkeyPatch) -> None:
    before = revaluation._code.__wrapped__()
    for module in (weights, price_groups):
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", __file__)
            assert revaluation._code.__wrapped__() != before


def test_a_step_takes_as_many_statements_however_many_markets(
    django_assert_num_queries: Callable[[int], object],
) -> None:
    for _ in range(30):
        rows.make_board((1.9, 1.9))
    for limit in (2, 20):
        Revaluation.objects.create(reason="a test")
        with django_assert_num_queries(4):  # type: ignore[attr-defined]
            assert len(revaluation.step(limit)) == limit
        Revaluation.objects.all().delete()


class TestSettings:
    """The settings that the newest process values by."""

    strict = replace(POLICY, min_edge_ev=0.5)
    begun = datetime(2026, 1, 1, tzinfo=UTC)

    def later(self, minutes: int) -> datetime:
        return self.begun + timedelta(minutes=minutes)

    def test_a_restart_with_other_settings_values_everything_again(self) -> None:
        assert not revaluation.apply_policy(POLICY, self.begun)
        assert not revaluation.apply_policy(POLICY, self.later(1))
        assert revaluation.apply_policy(self.strict, self.later(2))
        assert not revaluation.apply_policy(self.strict, self.later(3))
        assert Revaluation.objects.get().bookmaker is None

    def test_an_upgrade_values_everything_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        revaluation.apply_policy(POLICY, self.begun)
        monkeypatch.setattr(revaluation, "_code", lambda: b"of another release")
        assert revaluation.apply_policy(POLICY, self.later(1))
        assert not revaluation.apply_policy(POLICY, self.later(2))

    def test_an_older_process_changes_nothing_back(self) -> None:
        revaluation.apply_policy(POLICY, self.begun)
        revaluation.apply_policy(self.strict, self.later(2))
        for _ in range(3):  # the old worker sweeps on, and the new one does
            assert not revaluation.apply_policy(POLICY, self.begun)
            assert not revaluation.apply_policy(self.strict, self.later(2))
        assert Revaluation.objects.count() == 1

    def test_there_is_one_row(self) -> None:
        revaluation.apply_policy(POLICY, self.begun)
        with pytest.raises(IntegrityError):
            AppliedPolicy.objects.create(pk=2, fingerprint="x", applied_at=self.begun)

    def test_an_edge_closes_by_a_setting_alone(
        self, generous: Bookmaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert generous.commission == 0
        sweep()
        AppliedPolicy.objects.update(applied_at=self.begun, fingerprint="another")
        monkeypatch.setattr(
            "streaming.tasks.send_recomputes",
            lambda ids, trigger: recompute(ids, trigger, lambda: self.strict),
        )
        sweep()
        assert open_edges() == 0


def test_the_shipped_terms_are_those_of_exchanges_alone() -> None:
    assert terms_of("kalshi") == Terms("exchange", 0.07, "contract")
    assert terms_of("betfair_ex_uk") == Terms("exchange", 0.05, "winnings")
    assert terms_of("a sportsbook") == Terms()
    assert terms_of("pinnacle") == Terms(is_venue=False, weight=10.0)
    assert [key for key, terms in TERMS.items() if not terms.is_venue] == ["pinnacle"]
    assert all(t.commission is None or 0 <= t.commission < 0.1 for t in TERMS.values())
    assert {t.kind for t in TERMS.values() if t.commission != 0} == {"exchange"}


def test_the_edge_of_a_bookmaker_that_stops_being_a_venue_closes_and_says_so(
    generous: Bookmaker,
) -> None:
    before = FairPrice.objects.values_list("outcome", "probability", "books").order_by("outcome")
    informed = list(before)
    call_command("bookmakers", "set", "generous", "--venue", "no", stdout=StringIO())
    sweep()

    edge = Edge.objects.get(quote__bookmaker=generous)
    assert edge.close_reason == "not_a_venue"
    assert edge.get_close_reason_display() == "the bookmaker is not a venue any more"
    assert list(before) == informed  # its prices still inform the consensus

    call_command("bookmakers", "set", "generous", "--venue", "yes", stdout=StringIO())
    sweep()
    assert open_edges() == 1


def test_an_arbitrage_with_a_bookmaker_that_stops_being_a_venue_closes() -> None:
    board: Board = rows.make_board((2.2, 1.7), (1.7, 2.2))
    first = board.quotes[0].bookmaker
    Market.objects.update(version=1)
    recompute([board.market.pk], "sweep", lambda: POLICY)
    assert Opportunity.objects.get(kind="arbitrage").closed_at is None
    assert load(board.market).covers[0].profit > 0

    revaluation.change_bookmaker(first, {"is_venue": False})
    sweep()

    assert Opportunity.objects.get(kind="arbitrage").close_reason == "not_a_venue"
    assert not Opportunity.objects.filter(closed_at=None).exists()
    assert all(
        bet.bookmaker != first.key for cover in load(board.market).covers for bet in cover.bets
    )


@pytest.mark.usefixtures("generous")
def test_the_fee_of_a_contract_decides_what_is_an_edge() -> None:
    """Backing 2.04 at 0.5 pays 2 %, and 7 % of p(1 − p) costs 3.5 % of the price."""
    call_command(
        "bookmakers", "set", "generous", "--commission", "0.01", "--fee-model", "contract",
        stdout=StringIO(),
    )  # fmt: skip
    sweep()
    edge = Edge.objects.get(closed_at__isnull=True)
    p = 1 / 2.04
    assert edge.ev == pytest.approx(0.5 / (p + 0.01 * p * (1 - p)) - 1)

    call_command("bookmakers", "set", "generous", "--commission", "0.07", stdout=StringIO())
    sweep()
    assert open_edges() == 0


def test_a_fee_model_that_there_is_not_is_refused() -> None:
    rows.make_bookmaker(key="book")
    with pytest.raises(CommandError, match="fee_model"):
        call_command("bookmakers", "set", "book", "--fee-model", "flat")
    with pytest.raises(IntegrityError):
        Bookmaker.objects.update(fee_model="flat")
