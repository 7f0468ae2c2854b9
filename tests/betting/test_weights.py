"""The weight of a bookmaker on a market: the most particular one, the same for every reader."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from betting.db.weights import weight_on_market
from betting.models import Bookmaker, BookmakerWeight, Market, Quote, Sport
from betting.web.board.history import _samples
from tests.support import rows
from valuation.models import Revaluation
from valuation.unvalued import read

pytestmark = pytest.mark.django_db

WEIGHTS = {("soccer", "h2h"): 10.0, ("soccer", ""): 5.0, ("", "h2h"): 3.0, ("tennis", ""): 0.0}


def quoted_market(sport: str, kind: str, bookmakers: list[Bookmaker]) -> Market:
    event = rows.make_event()
    event.sport, _ = Sport.objects.get_or_create(key=sport, defaults={"title": sport})
    event.save()
    market = rows.make_market(event, kind=kind, version=2, valued_version=1)
    outcome = rows.make_outcome(market, event.home)
    for bookmaker in bookmakers:
        rows.make_change(rows.make_quote(outcome, rows.make_feed(), 2.0, bookmaker=bookmaker))
    return market


@pytest.mark.parametrize(
    ("sport", "kind", "expected"),
    [
        ("soccer_epl", "h2h", 10.0),
        ("soccer_epl", "totals", 5.0),
        ("basketball_nba", "h2h", 3.0),
        ("basketball_nba", "totals", 2.0),
        ("tennis", "h2h", 0.0),
        ("soccerx_epl", "totals", 2.0),
    ],
)
def test_the_most_particular_weight_decides_for_every_reader(
    sport: str, kind: str, expected: float
) -> None:
    sharp, plain = rows.make_bookmaker(weight=2.0), rows.make_bookmaker(weight=4.0)
    for (family, of_kind), weight in WEIGHTS.items():
        sharp.weights.create(family=family, kind=of_kind, weight=weight)
    market = quoted_market(sport, kind, [sharp, plain])
    other = quoted_market("icehockey_nhl", "totals", [plain, sharp])

    board = read([market.pk, other.pk]).board
    read_by_recompute = {
        (int(m), int(b)): float(w)
        for m, b, w in zip(board.market_id, board.bookmaker_id, board.weight, strict=True)
    }
    assert read_by_recompute == {
        (market.pk, sharp.pk): expected,
        (market.pk, plain.pk): 4.0,
        (other.pk, sharp.pk): 2.0,
        (other.pk, plain.pk): 4.0,
    }
    by_queryset = Quote.objects.annotate(weight=weight_on_market())
    assert {(q.market_id, q.bookmaker_id): q.weight for q in by_queryset} == read_by_recompute
    until = timezone.now()
    _, series = _samples(market.outcomes.get(), rows.NOON.replace(year=2000), until)
    assert {each.bookmaker_id: each.weight for each in series} == {
        sharp.pk: expected,
        plain.pk: 4.0,
    }


def test_a_weight_is_of_a_family_or_a_kind_once_and_not_negative() -> None:
    bookmaker = rows.make_bookmaker()
    bookmaker.weights.create(family="soccer", weight=1.0)
    for fields in (
        {"family": "soccer", "weight": 2.0},
        {"weight": 2.0},
        {"kind": "h2h", "weight": -1.0},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            bookmaker.weights.create(**fields)


def by_command(bookmaker: Bookmaker, weight: str) -> None:
    place = ("--family", "soccer", "--kind", "h2h")
    call_command("bookmakers", "weight", bookmaker.key, weight, *place, stdout=StringIO())


def by_admin(bookmaker: Bookmaker, weight: str) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser(f"operator{weight}"))
    kept: BookmakerWeight | None = bookmaker.weights.first()
    row: dict[str, Any] = {"bookmaker": bookmaker.pk, "id": kept.pk if kept else ""}
    row |= {"family": "soccer", "kind": "h2h", "weight": "1" if weight == "own" else weight}
    if weight == "own":
        row["DELETE"] = "on"
    fields = {
        "title": bookmaker.title,
        "kind": "sportsbook",
        "is_venue": "on",
        "weight": "1",
        "commission": "0",
        "fee_model": "winnings",
        "weights-TOTAL_FORMS": 1,
        "weights-INITIAL_FORMS": int(kept is not None),
        **{f"weights-0-{name}": value for name, value in row.items()},
    }
    url = reverse("admin:betting_bookmaker_change", args=[bookmaker.pk])
    assert client.post(url, fields).status_code == 302


@pytest.mark.parametrize("change", [by_command, by_admin])
def test_an_operator_sets_and_removes_a_weight_and_the_markets_are_valued_again(
    change: Any,
) -> None:
    bookmaker = rows.make_bookmaker()
    for weight, expected in (("10", [10.0]), ("4", [4.0]), ("own", [])):
        Revaluation.objects.all().delete()
        change(bookmaker, weight)
        assert list(bookmaker.weights.values_list("weight", flat=True)) == expected
        assert Revaluation.objects.get().bookmaker == bookmaker


def test_the_command_lists_weights_and_says_what_is_wrong_with_one() -> None:
    bookmaker = rows.make_bookmaker()
    by_command(bookmaker, "10")
    listed = StringIO()
    call_command("bookmakers", "list", stdout=listed)
    assert "1; soccer h2h: 10" in listed.getvalue()
    with pytest.raises(CommandError, match="Enter a family or a kind"):
        call_command("bookmakers", "weight", bookmaker.key, "2")
    with pytest.raises(CommandError, match="weight"):
        by_command(bookmaker, "-2")
    with pytest.raises(CommandError, match="has no weight of this family"):
        call_command("bookmakers", "weight", bookmaker.key, "own", "--family", "tennis")
