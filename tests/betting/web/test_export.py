"""`manage.py export`: what is in the tables, whole and exact."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from betting.db import exports
from betting.db.exports import LINE_CHANGES, QUOTES
from betting.management.commands.export import TABLES, WRITERS
from betting.models import Bookmaker, BookmakerKind, ChangeKind, FeeModel, Quote, QuoteStatus, Side
from streaming.core.histogram import counts_of
from streaming.core.texts import escaped
from tests.support import rows
from valuation.edges import net_price
from valuation.exports import EDGES, FAIR_PRICES, RECOMPUTE_RUNS
from valuation.fees import net_price_of


def export(*arguments: str) -> str:
    out = io.StringIO()
    call_command("export", *arguments, stdout=out)
    return out.getvalue()


def objects(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export(*arguments, "--format", "jsonl").splitlines()]


def records(*arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(*arguments))))


@pytest.mark.django_db
def test_a_quote_is_exported_with_everything_that_identifies_it() -> None:
    provider = rows.make_provider(key="mine")
    feed = rows.make_feed(provider, observed_at=rows.NOON + timedelta(hours=1))
    event = rows.make_event(provider, home="Lakers", away="Celtics")
    market = rows.make_market(event, kind="player_points", period="h1", participant="L. James")
    outcome = rows.make_outcome(market, "Over", point=25.5, line=25.5)
    bookmaker = rows.make_bookmaker(key="ace")
    rows.make_quote(outcome, feed, 1.9090909090909092, bookmaker=bookmaker, side=Side.LAY)

    (quote,) = objects("quotes")

    assert quote == {
        "event_id": event.pk,
        "event": event.aliases.get().external_id,
        "sport": event.sport.key,
        "home": "Lakers",
        "away": "Celtics",
        "commence_time": "2126-02-05T12:00:00.000000Z",
        "market": "player_points_h1",
        "participant": "L. James",
        "outcome": "Over",
        "point": 25.5,
        "bookmaker": "ace",
        "side": "lay",
        "feed": feed.key,
        "provider": "mine",
        "price": 1.9090909090909092,
        "status": "active",
        "source_at": "2026-03-01T12:00:00.000000Z",
        "changed_at": "2026-03-01T12:00:00.000000Z",
        "observed_at": "2026-03-01T13:00:00.000000Z",
        "confirmed_at": "2026-03-01T13:00:00.000000Z",
        "is_stale": True,
        "disputed_by": [],
    }


@pytest.mark.django_db
def test_a_quote_is_exported_with_what_other_providers_say_of_it() -> None:
    board = rows.make_board((2.3, 1.7))
    for provider, price in (("relay", 1.91), ("radio", 2.25)):
        feed = rows.make_feed(rows.make_provider(key=provider))
        rows.make_rival(board.quotes[0], price, feed)

    disputed, undisputed = records("quotes")

    assert disputed["disputed_by"] == "relay @ 1.91;radio @ 2.25"
    assert undisputed["disputed_by"] == ""
    assert objects("quotes")[0]["disputed_by"] == ["relay @ 1.91", "radio @ 2.25"]


@pytest.mark.django_db
@pytest.mark.parametrize("side", [Side.BACK, Side.LAY])
def test_an_edge_is_exported_with_its_price_after_commission(side: Side) -> None:
    quote = rows.make_board((2.3, 1.7)).quotes[0]
    Quote.objects.filter(pk=quote.pk).update(side=side)
    for commission in (0.05, 0.0, None):
        Bookmaker.objects.update(kind=BookmakerKind.EXCHANGE, commission=commission)
        assert objects("edges")[0]["net_price"] == pytest.approx(net_price(2.3, side, commission))
    Bookmaker.objects.update(commission=0.07, fee_model=FeeModel.CONTRACT)
    paid = Bookmaker.objects.all()[0]
    assert objects("edges")[0]["net_price"] == pytest.approx(net_price_of(paid, 2.3, side))


@pytest.mark.django_db
def test_only_an_active_quote_is_confirmed_by_its_feed() -> None:
    board = rows.make_board((1.9, 2.1))
    board.quotes[0].status = QuoteStatus.SUSPENDED
    board.quotes[0].save()

    suspended, active = records("quotes")

    assert suspended["observed_at"] == suspended["changed_at"] == "2026-03-01T12:00:00.000000Z"
    assert datetime.fromisoformat(active["observed_at"]) == board.feed.observed_at


@pytest.mark.django_db
def test_an_event_goes_by_the_id_of_the_provider_whose_quote_it_is() -> None:
    board = rows.make_board((1.9, 2.1))
    other = rows.make_provider()
    alias = board.event.aliases.create(provider=other, external_id="theirs")
    rows.make_quote(board.outcomes[0], rows.make_feed(other), 2.0)
    known_as = board.event.aliases.exclude(pk=alias.pk).get().external_id

    assert [quote["event"] for quote in objects("quotes")] == [known_as, known_as, "theirs"]
    assert {price["event"] for price in objects("fair_prices")} == {known_as}


@pytest.mark.django_db
def test_a_fair_price_is_exported_with_its_odds_or_its_reason() -> None:
    market = rows.make_market(rows.make_event(rows.make_provider()))
    lakers = rows.make_outcome(market, "Lakers")
    rows.make_voices([lakers], rows.make_feed(), 3)
    rows.make_fair_price(lakers, 0.3)
    rows.make_fair_price(rows.make_outcome(market, "Celtics"), None, books=2)

    fair, none = objects("fair_prices")

    assert (fair["probability"], fair["fair_odds"], fair["books"]) == (0.3, 1 / 0.3, 5)
    assert (fair["state"], fair["reason"], fair["method"]) == ("ok", "", "power")
    assert (none["probability"], none["fair_odds"], none["state"]) == (None, None, "none")
    assert none["reason"] == "fewer than 3 bookmakers"


@pytest.mark.django_db
def test_a_line_change_is_exported_with_what_it_changed() -> None:
    board = rows.make_board()
    quote = rows.make_quote(board.outcomes[0], board.feed)
    rows.make_change(
        quote, kind=ChangeKind.PRICE, old_price=2.0, new_price=2.2, movement=0.1,
        classification="major",
    )  # fmt: skip

    (change,) = objects("line_changes")

    assert (change["kind"], change["classification"]) == ("price", "major")
    assert (change["old_price"], change["new_price"], change["movement"]) == (2.0, 2.2, 0.1)
    assert (change["quote_id"], change["bookmaker"]) == (quote.pk, quote.bookmaker.key)
    assert (change["market"], change["outcome"]) == ("h2h", board.event.home)


@pytest.mark.django_db
def test_an_edge_is_exported_from_its_opening_to_its_end() -> None:
    board = rows.make_board((2.25, 1.5))
    board.market.edges.filter(closed_at=None).update(warnings=["in_play", "few_books"])

    opened, closed = records("edges")

    assert (opened["ev"], opened["closed_at"], opened["close_reason"]) == (
        repr(0.55 * 2.25 - 1),
        "",
        "",
    )
    assert opened["warnings"] == "in_play;few_books"
    assert (closed["close_reason"], closed["bookmaker"]) == ("gone", board.quotes[1].bookmaker.key)


@pytest.mark.django_db
def test_an_opportunity_is_exported_with_its_legs() -> None:
    board = rows.make_board((2.25, 1.5), (1.5, 2.0), provider=rows.make_provider(clock="wall"))
    legs = [board.quotes[3], board.quotes[0]]
    one = rows.make_opportunity(*legs)
    rows.close(rows.make_opportunity(*board.quotes[1:3]))

    opened, closed = records("opportunities")
    (listed,) = objects("opportunities", "--status", "open")

    assert (opened["kind"], opened["close_reason"], closed["close_reason"]) == (
        "arbitrage", "", "gone",
    )  # fmt: skip
    assert listed["quote_ids"] == [quote.pk for quote in legs]
    assert listed["bookmakers"] == [quote.bookmaker.key for quote in legs]
    assert (listed["prices"], listed["profit"]) == (one.prices, one.profit)


@pytest.mark.django_db
def test_a_recompute_is_exported_with_its_latencies() -> None:
    latencies = [4.0, 60.0, 70.0]
    run = rows.make_recompute_run(
        trigger="major",
        finished_at=rows.NOON,
        markets=4,
        valued=3,
        latency_counts=counts_of(latencies),
        latency_ms_sum=sum(latencies),
    )

    (exported,) = objects("recompute_runs")
    (record,) = records("recompute_runs")

    assert exported["id"] == run.pk
    assert (exported["trigger"], exported["markets"], exported["valued"]) == ("major", 4, 3)
    assert exported["finished_at"] == "2026-03-01T12:00:00.000000Z"
    assert exported["latency_counts"] == counts_of(latencies)
    assert exported["latency_ms_sum"] == sum(latencies)
    assert record["latency_counts"] == ";".join(map(str, counts_of(latencies)))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "status", "count"),
    [
        ("quotes", "active", 7), ("quotes", "suspended", 1), ("quotes", "quarantined", 0),
        ("fair_prices", "ok", 2), ("fair_prices", "none", 0),
        ("edges", "open", 1), ("edges", "stale", 0), ("edges", "closed", 1),
    ],
)  # fmt: skip
def test_a_status_leaves_the_other_rows_out(table: str, status: str, count: int) -> None:
    board = rows.make_board((1.9, 2.1), voices=3)
    board.quotes[-1].status = QuoteStatus.SUSPENDED  # its edge is closed
    board.quotes[-1].save()

    assert len(objects(table, "--status", status)) == count
    assert len(records(table, "--status", status)) == count


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["quots"], "no table 'quots'; did you mean quotes?"),
        (["quotes", "--status", "open"], "quotes have no status 'open'; there are active,"),
        (["edges", "--status", "opne"], "did you mean open?"),
        (["line_changes", "--status", "active"], "line_changes have no status"),
        (["quotes", "--format", "xml"], "invalid choice: 'xml'"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_ones(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words.replace("?", r"\?")):
        export(*arguments)


@pytest.mark.django_db
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_an_empty_table_is_a_header_or_nothing(table: exports.Table) -> None:
    assert export(table.name) == ",".join(table.columns) + "\n"
    assert export(table.name, "--format", "jsonl") == ""


def test_the_tables_have_the_columns_that_are_promised() -> None:
    assert set(QUOTES.columns) >= {
        "event", "bookmaker", "market", "participant", "outcome", "point", "side", "price",
        "status", "source_at", "changed_at", "observed_at",
    }  # fmt: skip
    assert set(FAIR_PRICES.columns) >= {
        "event", "market", "participant", "outcome", "point", "probability", "fair_odds",
        "method", "books", "state", "reason",
    }  # fmt: skip
    for table in (LINE_CHANGES, EDGES):
        assert set(table.columns) >= {"event", "bookmaker", "market", "outcome", "point", "side"}
    assert set(RECOMPUTE_RUNS.columns) >= {
        "trigger", "finished_at", "markets", "valued", "latency_counts", "latency_ms_sum",
    }  # fmt: skip


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"'{0,2}[=+@-]1.{0,3}")


@given(st.floats(allow_nan=False, allow_infinity=False), TEXTS)
def test_numbers_and_names_read_back_equal(number: float, name: str) -> None:
    row = [("number", number), ("name", name)]
    columns, values = [key for key, _ in row], tuple(value for _, value in row)

    def written(format_: str) -> str:
        return "".join(WRITERS[format_](columns, iter([values])))

    (record,) = csv.DictReader(io.StringIO(written("csv"), newline=""))
    assert float(record["number"]) == number
    assert record["name"] in {escaped(name), f"'{escaped(name)}"}
    assert not record["name"].lstrip().startswith(("=", "+", "-", "@"))
    assert json.loads(written("jsonl")) == dict(row)


@pytest.mark.parametrize(
    "name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"]
)
def test_a_name_that_begins_like_a_formula_is_text_in_a_spreadsheet(name: str) -> None:
    text = "".join(WRITERS["csv"](["name", "price"], iter([(name, -1.5)])))
    (record,) = csv.DictReader(io.StringIO(text, newline=""))
    assert record == {"name": f"'{escaped(name)}", "price": "-1.5"}


def test_an_apostrophe_before_a_formula_is_told_from_the_names_own() -> None:
    names = [("=1",), ("'=1",), ("'tis",)]
    text = "".join(WRITERS["csv"](["name"], iter(names)))
    assert text.splitlines() == ["name", "'=1", "''=1", "'tis"]


@pytest.mark.parametrize("format_", WRITERS)
def test_no_export_holds_a_character_that_steers_a_terminal(format_: str) -> None:
    name = "\x1b[2J\x1b]0;owned\x07\u202eCF\u2028\x7f\x9b"
    text = "".join(WRITERS[format_](["name"], iter([(name,)])))
    assert text.replace("\n", "").isprintable()
    if format_ == "jsonl":
        assert json.loads(text) == {"name": name}


@pytest.mark.django_db
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_rows_are_read_from_a_cursor_on_the_server(
    table: exports.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ROWS_PER_FETCH", 1)
    board = rows.make_board((1.9, 2.1))
    for outcome, quote in zip(board.outcomes, board.quotes, strict=True):
        rows.make_closing_price(outcome)
        rows.make_closing_quote(quote)
        rows.make_edge_closing(quote.edges.get())
        rows.make_recompute_run()
        rows.close(rows.make_opportunity(*board.quotes))

    fetched = table.fetch(None)
    next(fetched)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors")
        assert cursor.fetchone() == (1,)
    assert len(list(fetched)) == 1


ENDLESS = """
import itertools, django
django.setup()
from django.core.management import call_command
from betting.management.commands import export

class Endless:
    name, columns, statuses = "quotes", {"price": "price"}, {}
    def fetch(self, status):
        return ((price,) for price in itertools.count())

export.TABLES["quotes"] = Endless()
call_command("export", "quotes")
"""


def test_a_reader_that_has_seen_enough_ends_the_export_quietly() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "price\n"
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0
