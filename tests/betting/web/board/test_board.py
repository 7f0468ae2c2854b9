"""The board: who may read it, what it lists, and what it says while prices are not live."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from betting.config import get_config
from betting.models import (
    Bookmaker,
    ChangeKind,
    Event,
    Feed,
    FeedBookmaker,
    Market,
    MoveClass,
    Provider,
    Quote,
)
from betting.web.board import access, filters, strip
from betting.web.board.edge_rows import cautions_of
from streaming.models import HealthStatus
from tests.support import rows
from tests.support.statements import statements_of
from valuation.models import Edge

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis", "board")]

HTMX = {"HX-Request": "true"}


def page(reader: Client, query: str = "tab=before") -> str:
    response = reader.get(f"/?{query}")
    assert response.status_code == 200
    return response.content.decode()


def listed(text: str) -> list[int]:
    """The edges on a page, from its top."""
    return [int(pk) for pk in re.findall(r'<tr id="edge-(\d+)"', text)]


def test_who_is_not_logged_in_is_led_to_the_login_and_back() -> None:
    nobody = Client()
    response = nobody.get("/?tab=moves")
    assert response.status_code == 302
    assert response.headers["Location"] == "/login/?next=/%3Ftab%3Dmoves"
    assert b"Log in" in nobody.get("/login/").content


@pytest.mark.parametrize("address", ["/", "/events/1/", "/edges/1/", "/history/1/"])
def test_no_page_of_the_board_is_open_to_who_is_not_logged_in(address: str) -> None:
    assert Client().get(address).status_code == 302


def test_a_page_whose_session_has_ended_is_told_to_load_itself_again() -> None:
    response = Client().get("/", headers=HTMX)
    assert response.status_code == 401
    assert response.headers["HX-Refresh"] == "true"


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("min_ev=abc", "EV from %: Enter a number."),
        ("max_ev=inf", "EV to %: Enter a number."),
        ("bankroll=1e309", "Bankroll: Enter a number."),
        ("bankroll=-5", "Bankroll: Ensure this value is greater than or equal to 0."),
        ("sport=%27;--", "Sport: Select a valid choice."),
        ("tz=Mars", "Time zone: Select a valid choice."),
    ],
)
def test_a_choice_that_cannot_be_used_is_named_and_has_its_default(
    reader: Client, query: str, complaint: str
) -> None:
    for tab in ("before", "arbitrage", "moves"):
        assert complaint in page(reader, f"tab={tab}&{query}")
    assert listed(page(reader, query)) == listed(page(reader, "tab=before"))


@pytest.mark.parametrize("query", ["ev_min=abc", "tab=%00", "sport=%00", "tab=nowhere"])
def test_what_the_board_does_not_know_is_left_aside(reader: Client, query: str) -> None:
    assert listed(page(reader, query)) == [Edge.objects.get(closed_at=None).pk]


def test_a_moved_total_has_no_sign_and_a_moved_handicap_has_one(
    reader: Client, board: rows.Board
) -> None:
    event = board.market.event
    for kind, name, old, new in (("totals", "Over", 3.0, 2.5), ("spreads", "Leeds", -1.0, -0.5)):
        outcome = rows.make_outcome(rows.make_market(event, kind=kind), name, point=new, line=new)
        rows.make_change(
            rows.make_quote(outcome, board.quotes[0].feed),
            kind=ChangeKind.POINT,
            old_point=old,
            new_point=new,
            old_price=2.0,
            classification=MoveClass.MAJOR,
        )
    cells = re.findall(r'<td class="num[^"]*">([^<]+)</td>', page(reader, "tab=moves"))
    assert cells == ["−1", "−0.5", "+0.5", "3", "2.5", "−0.5"]


def test_a_setting_opens_the_board_to_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(get_config(), web=replace(get_config().web, board_public=True))
    monkeypatch.setattr(access, "get_config", lambda: config)
    assert listed(page(Client())) == [Edge.objects.get(closed_at=None).pk]


def test_a_user_without_any_permission_sees_the_open_edge_in_words(
    reader: Client, board: rows.Board
) -> None:
    text = page(reader)
    edge = Edge.objects.get(closed_at=None)
    assert listed(text) == [edge.pk]
    assert "+10.00 %" in text
    assert board.quotes[0].bookmaker.title in text
    assert "to win" in text
    assert f"/events/{board.event.pk}/?market={board.market.pk}" in text


def test_edges_are_listed_best_first(reader: Client, board: rows.Board) -> None:
    better = rows.make_edge(board.quotes[1], probability=0.66)
    worse = rows.make_edge(board.quotes[2], probability=0.54)
    first = Edge.objects.get(quote=board.quotes[0], closed_at=None)
    assert listed(page(reader)) == [better.pk, first.pk, worse.pk]


def test_an_edge_that_is_too_good_is_listed_only_where_it_is_asked_for(reader: Client) -> None:
    Edge.objects.filter(closed_at=None).update(ev=0.16, peak_ev=0.16)
    assert listed(page(reader)) == []
    assert len(listed(page(reader, "tab=before&max_ev=20"))) == 1


def test_a_price_that_one_poll_alone_has_seen_is_listed_only_where_it_is_asked_for(
    reader: Client,
) -> None:
    Quote.objects.update(changed_at=datetime.now(UTC) + timedelta(seconds=1))
    assert listed(page(reader)) == []
    assert len(listed(page(reader, "tab=before&seen=1"))) == 1


def test_a_reader_may_ask_for_prices_that_more_polls_have_seen(
    reader: Client, board: rows.Board
) -> None:
    now = datetime.now(UTC)
    FeedBookmaker.objects.filter(bookmaker=board.quotes[0].bookmaker).update(
        polled_ats=[now - timedelta(seconds=each) for each in (0, 60, 120)]
    )
    found = {n: len(listed(page(reader, f"tab=before&seen={n}"))) for n in (1, 2, 3, 4, 5)}
    assert found == {1: 1, 2: 1, 3: 1, 4: 1, 5: 0}
    assert "less than or equal to 10" in page(reader, "tab=before&seen=11")


def test_an_edge_in_play_has_a_list_of_its_own(reader: Client) -> None:
    Event.objects.update(commence_time=datetime.now(UTC) - timedelta(minutes=1))
    Edge.objects.update(opened_at=datetime.now(UTC))
    assert listed(page(reader)) == []
    assert len(listed(page(reader, "tab=in_play"))) == 1


def test_an_edge_that_nobody_confirms_any_more_leaves_the_board(reader: Client) -> None:
    Market.objects.update(dirty_at=datetime.now(UTC) - timedelta(minutes=1))
    assert listed(page(reader)) == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("sport=nothing", 1),  # a choice that does not exist is reported, and not applied
        ("market=h2h", 1),
        ("market=totals", 0),
        ("min_ev=9", 1),
        ("min_ev=11", 0),
        ("min_books=5", 1),
        ("min_books=6", 0),
        ("min_ev=much", 1),
    ],
)
def test_the_filters_narrow_the_list(reader: Client, query: str, count: int) -> None:
    assert len(listed(page(reader, f"tab=before&{query}"))) == count


def test_my_books_are_the_only_ones_listed(reader: Client, board: rows.Board) -> None:
    own, other = board.quotes[0].bookmaker.key, board.quotes[2].bookmaker.key
    assert len(listed(page(reader, f"book={own}"))) == 1
    assert listed(page(reader, f"book={other}")) == []
    assert len(listed(page(reader, f"book={other}&book={own}"))) == 1


def test_a_choice_that_cannot_be_used_is_named(reader: Client) -> None:
    assert "EV from %: Enter a number." in page(reader, "min_ev=much")


def test_the_stake_is_in_the_readers_money(reader: Client) -> None:
    Edge.objects.update(advised=0.01)
    assert ">10.00</td>" in page(reader, "tab=before&bankroll=1000")
    assert ">1.00 %</td>" in page(reader)


def test_the_largest_stake_that_is_advised_is_marked(reader: Client) -> None:
    text = page(reader, "tab=before&bankroll=1000")
    assert 'title="2.00 %: capped at 2 % of the bankroll">20.00<small>max 2 %</small></td>' in text


def test_a_lay_says_so_with_its_stake_and_what_it_risks(reader: Client, board: rows.Board) -> None:
    lay = rows.make_quote(
        board.outcomes[0], board.feed, 5.0, bookmaker=rows.make_bookmaker(kind="exchange"),
        side="lay", source_at=None, changed_at=datetime.now(UTC) - timedelta(minutes=5),
    )  # fmt: skip
    rows.make_feed_bookmaker(board.feed, bookmaker=lay.bookmaker)
    edge = rows.make_edge(lay, probability=0.15, ev=0.05, peak_ev=0.05, advised=0.01)

    text = page(reader, "tab=before&bankroll=1000")

    assert ">5.00<small>lay</small></td>" in text
    assert 'title="risk 1.00 %">lay 2.50<small>risk 10.00</small></td>' in text
    own = reader.get(f"/edges/{edge.pk}/?bankroll=1000").content.decode()
    assert "lay 2.50</b><small>risk 10.00, 1.00 % of 1,000</small>" in own


@pytest.mark.parametrize(
    ("style", "price"), [("decimal", "2.00"), ("american", "+100"), ("fractional", "1/1")]
)
def test_odds_are_written_as_the_reader_chose(reader: Client, style: str, price: str) -> None:
    assert f'<td class="num price">{price}</td>' in page(reader, f"odds={style}")


def test_the_choices_of_the_last_visit_are_taken_again(reader: Client) -> None:
    page(reader, "tab=before&min_ev=11")
    response = reader.get("/")
    assert response.status_code == 302
    assert response.headers["Location"] == "/?min_ev=11"


def test_an_edge_that_has_just_closed_stays_for_a_moment_struck_through(reader: Client) -> None:
    edge = Edge.objects.filter(closed_at=None)
    edge.update(closed_at=datetime.now(UTC), close_reason="gone")
    text = page(reader)
    assert len(listed(text)) == 1
    assert 'class="gone"' in text
    Edge.objects.update(closed_at=datetime.now(UTC) - timedelta(seconds=4))
    assert listed(page(reader)) == []


def test_a_new_edge_is_marked(reader: Client) -> None:
    loaded = datetime.now(UTC) - timedelta(seconds=5)
    Edge.objects.filter(closed_at=None).update(opened_at=datetime.now(UTC))
    assert 'class="new"' in page(reader, f"tab=before&loaded={loaded.timestamp()}")
    Edge.objects.filter(closed_at=None).update(opened_at=loaded - timedelta(seconds=1))
    assert 'class="new"' not in page(reader, f"tab=before&loaded={loaded.timestamp()}")


def test_no_edge_is_new_to_who_has_just_come(reader: Client) -> None:
    Edge.objects.filter(closed_at=None).update(opened_at=datetime.now(UTC))
    text = page(reader)
    assert 'class="new"' not in text
    assert re.search(r'id="list" class="list" hx-get="/\?tab=before&amp;loaded=\d+\.\d+"', text)
    assert "loaded" not in reader.cookies["board"].value


def test_a_bet_that_most_books_have_suspended_says_so(reader: Client, board: rows.Board) -> None:
    quotes = Quote.objects.filter(outcome=board.outcomes[0]).order_by("-pk")
    books = quotes.count()
    for suspended in range(1, books + 2):
        rows.make_quote(board.outcomes[0], board.feed, status="suspended")
        words = f"{suspended} of {books + suspended} suspended"
        assert (words in page(reader)) == (suspended > books)
    edge = Edge.objects.get(closed_at=None)
    assert (
        f"Warning: {books + 1} of {2 * books + 1}"
        in reader.get(f"/edges/{edge.pk}/").content.decode()
    )


def test_what_is_set_under_more_is_named_and_can_be_removed(reader: Client) -> None:
    text = page(reader, "tab=before&seen=1&min_books=3&tz=Asia/Tokyo")
    assert [words.strip() for words in re.findall(r'title="Remove">([^<]+)<', text)] == [
        "books ≥ 3", "seen by ≥ 1 poll", "Asia/Tokyo",
    ]  # fmt: skip
    assert '<a href="/?tab=before&amp;min_books=3&amp;tz=Asia%2FTokyo" title="Remove">' in text
    assert 'title="Remove"' not in page(reader, "tab=before&seen=2")


def test_the_best_price_elsewhere_is_of_another_bookmaker(
    reader: Client, board: rows.Board
) -> None:
    title = board.quotes[2].bookmaker.title
    assert f'<td class="num next">1.90<small>{title}</small></td>' in page(reader)


@pytest.mark.parametrize(
    ("price", "commission", "mark"),
    [(2.2, 0.0, " better"), (2.2, 0.1, " better"), (2.2, 0.2, "")],
)
def test_a_price_elsewhere_that_pays_more_after_commission_is_marked(
    reader: Client, board: rows.Board, price: float, commission: float, mark: str
) -> None:
    other = board.quotes[2].bookmaker
    Quote.objects.filter(pk=board.quotes[2].pk).update(price=price)
    Bookmaker.objects.filter(pk=other.pk).update(kind="exchange", commission=commission)
    text = page(reader)
    assert f'<td class="num next{mark}"' in text
    assert f">{price:.2f}<small>{other.title}</small></td>" in text


def test_a_price_elsewhere_whose_fee_is_not_known_stands_behind_all_others(
    reader: Client, board: rows.Board
) -> None:
    other = board.quotes[2].bookmaker
    Quote.objects.filter(pk=board.quotes[2].pk).update(price=9.0)
    Bookmaker.objects.filter(pk=other.pk).update(kind="exchange", commission=None)
    text = page(reader)
    assert '<td class="num next"' in text
    assert "9.00" not in text


def test_of_one_bet_at_two_books_the_stake_is_for_one(reader: Client, board: rows.Board) -> None:
    Quote.objects.filter(pk=board.quotes[2].pk).update(price=2.2)
    rows.make_edge(Quote.objects.get(pk=board.quotes[2].pk), probability=0.5)
    text = page(reader, "tab=before&bankroll=1000")
    (instead,) = re.findall(r'<td class="num stake instead" title="([^"]+)">or ', text)
    title = board.quotes[2].bookmaker.title
    assert instead.startswith(f"The same bet pays more at {title}: stake at one of them.")
    assert len(re.findall(r'<td class="num stake"', text)) == 1


def test_each_warning_of_an_edge_has_words_and_a_reason() -> None:
    named = ("outlier", "suspicious", "contradicted", "near_stale", "push_unknown", "few_books")
    cautions = cautions_of(["in_play", *named, "disputed"])
    assert len({each.words for each in cautions}) == len(cautions) == 7
    assert all(each.why for each in cautions)


def test_a_warning_that_this_release_does_not_know_is_shown_as_it_is() -> None:
    (caution,) = cautions_of(["of_the_future"])
    assert caution.words == "of the future"


def test_an_update_brings_the_list_and_the_strip_alone(reader: Client) -> None:
    text = reader.get("/?tab=before", headers=HTMX).content.decode()
    assert "<html" not in text
    assert 'id="list"' in text
    assert 'id="strip"' in text


def test_an_update_names_what_cannot_be_used_and_takes_it_away_again(reader: Client) -> None:
    def errors(query: str) -> str:
        text = reader.get(f"/?tab=before&{query}", headers=HTMX).content.decode()
        (found,) = re.findall(
            r'<div class="errors" id="errors" hx-swap-oob="true">(.*?)</div>', text
        )
        return str(found)

    assert "EV from %: Enter a number." in errors("min_ev=abc")
    assert errors("min_ev=1") == ""
    assert '<div class="errors" id="errors"></div>' in page(reader)
    renewed = reader.get("/?tab=before&min_ev=abc", headers={**HTMX, "HX-Trigger": "list"})
    assert b'id="errors"' not in renewed.content


def test_as_many_statements_are_made_for_many_edges_as_for_one(
    reader: Client, board: rows.Board
) -> None:
    page(reader)
    one = statements_of(lambda: page(reader))
    for quote in board.quotes[1:]:
        rows.make_edge(quote, probability=1.1 / quote.price)
    assert len(listed(page(reader))) == 4
    assert statements_of(lambda: page(reader)) == one


class TestMore:
    """A list begins with some rows, and has an address that shows more of them."""

    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch, board: rows.Board) -> None:
        monkeypatch.setattr(filters, "ROWS_AT_ONCE", 2)
        monkeypatch.setattr(filters, "MAX_ROWS", 3)
        for quote in board.quotes[1:]:
            rows.make_edge(quote, probability=1.1 / quote.price)

    def test_the_best_come_first_and_the_others_when_asked_for(self, reader: Client) -> None:
        text = page(reader, "tab=before&odds=american")
        assert len(listed(text)) == 2
        (address,) = set(re.findall(r'hx-get="/\?(tab=before&amp;odds=american&amp;rows=3)"', text))
        assert "Show 1 more" in text

        more = page(reader, address.replace("&amp;", "&"))

        assert listed(more)[:2] == listed(text)
        assert len(listed(more)) == 3
        assert "There are more. Narrow the filters to see them." in more

    def test_a_list_that_is_whole_has_no_more(self, reader: Client) -> None:
        Edge.objects.filter(pk__in=listed(page(reader))).update(ev=-1)
        assert "Show" not in page(reader, "tab=before&min_ev=1")

    def test_what_updates_a_longer_list_keeps_its_length(self, reader: Client) -> None:
        assert 'id="list" class="list" hx-get="/?rows=3&amp;loaded=' in page(reader, "rows=3")

    def test_the_next_visit_and_the_other_tabs_begin_with_some_rows(self, reader: Client) -> None:
        text = page(reader, "tab=before&min_ev=1&rows=3")
        assert 'href="/?tab=in_play&amp;min_ev=1"' in text
        assert reader.get("/").headers["Location"] == "/?min_ev=1"


class TestStrip:
    def check(self, **fields: object) -> None:
        rows.make_health_snapshot(**{"taken_at": datetime.now(UTC), **fields})

    def test_it_says_live_while_all_is_well(self, reader: Client) -> None:
        Feed.objects.update(observed_at=datetime.now(UTC))
        self.check()
        text = page(reader)
        assert '<p class="strip ok"' in text
        assert "1 sport<" in text
        assert "1 edge<" in text

    def test_nothing_has_been_checked_yet(self, reader: Client) -> None:
        Feed.objects.update(observed_at=datetime.now(UTC))
        text = page(reader)
        assert '<p class="strip warn"' in text
        assert "the pipeline has not been checked yet" in text

    def test_where_nothing_has_answered_the_empty_list_says_it_in_one_sentence(
        self, reader: Client
    ) -> None:
        Provider.objects.update(enabled=False)
        assert "No provider has answered yet.</p>" in page(reader, "tab=before&min_ev=50")

    def test_nothing_checks_the_pipeline_any_more(self, reader: Client) -> None:
        self.check(taken_at=datetime.now(UTC) - timedelta(seconds=strip.CHECKED_SECONDS + 1))
        text = page(reader)
        assert '<p class="strip bad"' in text
        assert "nothing has checked the pipeline" in text

    def test_a_failure_is_named_as_in_the_circuit(self, reader: Client, board: rows.Board) -> None:
        """The health page's cards show the same words."""
        self.check(status=HealthStatus.FAIL)
        reason = "Their new_address: odds.example."
        rows.make_circuit(board.provider, state="open", since=datetime.now(UTC), reason=reason)
        text = page(reader)
        assert f"{board.provider.key}: {reason[:-1]} since <time" in text

    def test_it_names_the_provider_whose_circuit_is_open_and_since_when(
        self, reader: Client, board: rows.Board
    ) -> None:
        since = datetime(2026, 11, 28, 2, 52, 15, tzinfo=UTC)
        rows.make_circuit(board.provider, state="open", since=since, reason="HTTP 503")
        self.check(status=HealthStatus.FAIL)
        text = page(reader)
        assert '<p class="strip bad"' in text
        assert f"{board.provider.key}: HTTP 503" in text
        assert text.count("2026-11-28 02:52:15</time>") == 1
        for tab in ("before", "arbitrage"):
            empty = page(reader, f"tab={tab}&sport={board.event.sport.key}&min_ev=1000")
            assert empty.count("2026-11-28 02:52:15</time>") == 2
        assert "2026-11-27 21:52:15</time>" in page(reader, "tab=before&tz=America/New_York")

    def test_no_price_is_live_from_the_moment_at_which_every_circuit_is_open(
        self, reader: Client, board: rows.Board
    ) -> None:
        """The last snapshot was taken before."""
        self.check()
        other = rows.make_feed().provider
        rows.make_circuit(board.provider, state="open", since=datetime.now(UTC), reason="HTTP 503")
        assert '<p class="strip warn"' in page(reader)
        Provider.objects.filter(pk=other.pk).update(enabled=False)
        assert '<p class="strip bad"' in page(reader)

    def test_a_circuit_that_an_operator_has_disabled_is_blamed_for_nothing(
        self, reader: Client, board: rows.Board
    ) -> None:
        rows.make_circuit(board.provider, state="open", mode="disabled", reason="HTTP 503")
        Feed.objects.update(observed_at=datetime.now(UTC))
        self.check()
        text = page(reader)
        assert "HTTP 503" not in text
        assert '<p class="strip ok"' in text

    def test_it_says_what_the_worst_check_means(self, reader: Client) -> None:
        detail = "9 of 9 moves were late (p99 1.5 s). Edges open and close too late."
        worst = {"status": "warn", "output": detail, "since": "2026-11-28T02:52:15+00:00"}
        well = {"status": "pass", "output": "Redis answers.", "since": None}
        self.check(status=HealthStatus.WARN, checks={"redis": well, "latency_major": worst})
        text = page(reader)
        assert '<p class="strip warn"' in text
        assert "Latency major: Edges open and close too late" in text

    def test_a_recording_is_never_called_live(self, reader: Client, board: rows.Board) -> None:
        type(board.provider).objects.update(clock="recorded")
        self.check()
        assert "These prices are from a recording" in page(reader)
