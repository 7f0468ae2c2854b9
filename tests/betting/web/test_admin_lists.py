"""The admin's lists, sidebar and search: in words, the best first, and as permitted."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connection
from django.db.models import BooleanField, FloatField, IntegerField, Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import betting.web
from betting.models import EventStatus, MatchDecision, Provider, Quote
from betting.web import search, sidebar, theme
from streaming.models import LetterStatus
from tests.support import rows
from valuation.models import Edge

pytestmark = pytest.mark.django_db

admin.autodiscover()
LISTS = sorted(admin.site._registry.items(), key=lambda item: item[0]._meta.label)
STYLES = (Path(betting.web.__file__).parent / "static" / "theme" / "admin.css").read_text()
EDGES = "admin:valuation_edge_changelist"
STAFF = ("view_event", "view_market", "view_deadletter", "view_provider")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("operator"))
    return client


def page(client: Client, url: str, **query: str) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return response.content.decode()


def results(text: str) -> str:
    return text[text.index('id="result_list"') :].partition("</table>")[0]


def user_with(*permissions: str) -> User:
    user = User.objects.create_user(f"user{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def request_of(user: User) -> Any:
    request = RequestFactory().get("/admin/")
    request.user = user
    return request


def change_url(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])


@pytest.mark.parametrize(("model", "pages"), LISTS, ids=lambda each: getattr(each, "__name__", ""))
def test_no_list_has_a_column_of_ids(model: type[Model], pages: Any) -> None:
    ids = {model._meta.pk.name, "id", "letter_id", "task_id"} - {"day"}
    assert not ids & set(pages.list_display)


@pytest.mark.parametrize(("model", "pages"), LISTS, ids=lambda each: getattr(each, "__name__", ""))
def test_numbers_of_a_list_stand_under_one_another(
    operator: Client, model: type[Model], pages: Any
) -> None:
    fields = {field.name: field for field in model._meta.get_fields()}
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    text = page(operator, reverse(name))
    marked = {int(place) for place in re.findall(r"\bnumbers-(\d+)", text)}
    has_boxes = pages.get_actions(request_of(User.objects.get())) != {}
    columns = dict(enumerate(pages.list_display, 2 if has_boxes else 1))
    for place, column in columns.items():
        if isinstance(fields.get(column), IntegerField | FloatField):
            assert place in marked, column
        if place in marked:
            assert f".numbers-{place}) .result-list tr > :nth-child({place})" in STYLES, column


def test_a_column_is_marked_by_itself_and_not_by_a_name_that_another_list_uses(
    operator: Client,
) -> None:
    def marked(list_of: str) -> list[str]:
        pages = admin.site._registry[apps.get_model(list_of)]
        text = page(operator, reverse(f"admin:{list_of.lower().replace('.', '_')}_changelist"))
        places = re.findall(r"\bnumbers-(\d+)", text)
        return [str(pages.list_display[int(place) - 1]) for place in places]

    assert marked("valuation.Opportunity") == ["worst_shown", "best_shown"]
    assert marked("valuation.Edge") == ["odds", "fair_odds", "expected_value", "stake", "books"]
    assert marked("valuation.FairPrice") == ["fair", "odds", "books"]


@pytest.mark.parametrize(("model", "pages"), LISTS, ids=lambda each: getattr(each, "__name__", ""))
def test_filters_are_fields_of_the_bar_and_no_lists_of_links(
    model: type[Model], pages: Any
) -> None:
    if model._meta.app_label == "auth":
        return
    for each in pages.list_filter:
        if isinstance(each, str):
            assert isinstance(model._meta.get_field(each), BooleanField)
        else:
            chosen = each[1] if isinstance(each, tuple) else each
            assert chosen.template.startswith("unfold/filters/")


def test_edges_are_listed_until_they_close_the_best_first(operator: Client) -> None:
    board = rows.make_board((1.9, 2.1), (1.8, 2.2), voices=3)
    Edge.objects.all().delete()
    low, high, closed = board.quotes[:3]
    rows.make_edge(low, probability=0.6, warnings=[])
    rows.make_edge(high, probability=0.7, warnings=[])
    rows.close(rows.make_edge(closed, probability=0.9, warnings=[]))
    evs = re.findall(r"[+−]\d+\.\d\d %", results(page(operator, reverse(EDGES))))
    assert evs == ["+47.00 %", "+14.00 %"]
    assert "+62.00 %" in page(operator, reverse(EDGES), state="closed")
    shown = page(operator, reverse(EDGES), state="all")
    assert all(ev in shown for ev in ("+47.00 %", "+14.00 %", "+62.00 %", "Close reason"))


def test_a_list_of_bets_has_the_words_of_bettors(operator: Client) -> None:
    sport = rows.make_sport(key="soccer_epl", title="EPL")
    event = rows.make_event(sport=sport, home="Leeds", away="Hull")
    market = rows.make_market(event, kind="totals")
    over = rows.make_outcome(market, "Over", point=2.5, line=2.5)
    quote = rows.make_quote(over, rows.make_feed(), bookmaker=rows.make_bookmaker(title="The Book"))
    edge = rows.make_edge(quote)
    rows.make_fair_price(over)
    rows.make_change(quote)
    expected = {
        "valuation_edge": ["Over 2.5 goals", "Leeds v Hull", "EPL", "The Book"],
        "valuation_fairprice": ["Over 2.5", "Total goals", "Leeds v Hull"],
        "betting_quote": ["Over 2.5", "Total goals", "Leeds v Hull", "The Book"],
        "betting_linechange": ["Over 2.5", "Total goals", "Leeds v Hull", "The Book"],
        "betting_market": ["Total goals", "Leeds v Hull"],
        "betting_outcome": ["Total goals", "Leeds v Hull"],
        "betting_event": ["Leeds v Hull", "EPL"],
    }
    for model, words in expected.items():
        query = {"list": "all"} if model == "valuation_edge" else {}
        shown = results(page(operator, reverse(f"admin:{model}_changelist"), **query))
        assert all(word in shown for word in words), model
        assert "totals" not in shown, model
    shown = page(operator, change_url(edge))
    assert "Over 2.5 goals at The Book for 2.00" in shown
    assert reverse("board:edge", args=[edge.pk]) in shown


def test_opportunities_name_their_bookmakers(operator: Client) -> None:
    board = rows.make_board((1.9, 2.1), (1.8, 2.2), voices=3)
    rows.make_opportunity(*(Quote.objects.filter(outcome=each)[0] for each in board.outcomes))
    text = results(page(operator, reverse("admin:valuation_opportunity_changelist")))
    (cell,) = re.findall(r"field-at_books[^>]*>([^<]+)<", text)
    assert re.fullmatch(r"\D+\d*, \D+\d*", cell.strip()), cell


def test_events_that_have_ended_and_matches_that_are_decided_come_last(operator: Client) -> None:
    provider = rows.make_provider()
    rows.make_event(home="Long ago", status=EventStatus.ENDED, commence_time=rows.NOON)
    rows.make_event(home="Later", commence_time=rows.NOON + timedelta(days=2))
    rows.make_event(home="Sooner", commence_time=rows.NOON + timedelta(days=1))
    shown = results(page(operator, reverse("admin:betting_event_changelist")))
    assert shown.index("Sooner") < shown.index("Later") < shown.index("Long ago")
    waiting, decided = rows.make_doubt(provider), rows.make_doubt(provider)
    decided.decision, decided.decided_by = MatchDecision.DIFFERENT, "ana"
    decided.decided_at = rows.NOON
    decided.save()
    shown = results(page(operator, reverse("admin:betting_doubtfulmatch_changelist")))
    assert shown.index(change_url(waiting)) < shown.index(change_url(decided))


def live(**circuit: Any) -> Provider:
    """A provider that has just answered, and a pipeline that has just been checked."""
    now = datetime.now(UTC)
    provider = rows.make_provider(key="simulator")
    rows.make_feed(provider, observed_at=now)
    rows.make_circuit(provider, **circuit)
    rows.make_health_snapshot(taken_at=now)
    return provider


def test_an_empty_list_of_edges_says_which_provider_is_down_and_since_when(
    operator: Client,
) -> None:
    since = datetime(2026, 3, 1, 15, 20, 11, tzinfo=UTC)
    live(state="open", since=since, reason="HTTP 503")
    shown = page(operator, reverse(EDGES))
    assert "No open edges" in shown
    assert re.search(r"Prices are .* old: simulator: HTTP 503, since 2026-03-01 15:20:11\.", shown)


def test_an_empty_list_of_edges_says_that_nothing_pays_where_all_is_well(operator: Client) -> None:
    live()
    shown = page(operator, reverse(EDGES))
    assert "Nothing pays more than its fair price." in shown
    assert "Prices are" not in shown


def test_a_list_that_a_search_has_emptied_says_so_and_leads_back(operator: Client) -> None:
    shown = page(operator, reverse(EDGES), q="zebra")
    assert "No edges match" in shown
    assert "Reset search and filters" in shown


def test_the_palette_finds_events_by_their_teams_those_that_have_ended_last() -> None:
    request = request_of(user_with(*STAFF))
    rows.make_event(home="Leeds", away="Hull", status=EventStatus.ENDED)
    soon = rows.make_event(home="York", away="Leeds")
    rows.make_event(home="Bath", away="Hull")
    titles = [each.title for each in search.found(request, "leed")]
    assert titles == ["York v Leeds", "Leeds v Hull"]
    assert search.found(request, "york")[0].link == change_url(soon)


def test_the_palette_finds_players_by_their_markets() -> None:
    event = rows.make_event(home="York", away="Leeds")
    market = rows.make_market(event, kind="player_points", participant="Ann Ace")
    over = rows.make_market(
        rows.make_event(status=EventStatus.ENDED), kind="player_points", participant="Ann Ace"
    )
    (found,) = search.found(request_of(user_with(*STAFF)), "ann")
    assert (found.title, found.description) == ("Ann Ace: Player points", "York v Leeds")
    assert found.link == change_url(market) != change_url(over)


def test_the_palette_finds_a_bounded_number_and_nothing_that_may_not_be_seen() -> None:
    for number in range(search.MAX_FOUND + 3):
        rows.make_event(home=f"Leeds {number}")
    assert len(search.found(request_of(user_with(*STAFF)), "leeds")) == search.MAX_FOUND
    assert search.found(request_of(user_with("view_edge")), "leeds") == []


@pytest.mark.usefixtures("redis")
def test_the_palette_is_what_the_sidebar_opens(operator: Client) -> None:
    rows.make_event(home="Leeds", away="Hull")
    cache.clear()
    shown = page(operator, reverse("admin:search"), s="leeds", extended="1")
    assert "Leeds v Hull" in shown


def titles_of(groups: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [item["title"] for item in group["items"] if item.get("permission") is None]
        for group in groups
    ]


def test_the_sidebar_has_what_people_come_for_and_folds_the_rest() -> None:
    groups = sidebar.navigation(request_of(User.objects.create_superuser("operator")))
    assert titles_of(groups)[:2] == [
        ["Board", "Events", "Arbitrage", "Moves", "Closing line value"],
        ["Health", "Providers", "Dead letters", "Live settings", "Runbook"],
    ]
    assert groups[2]["title"] == "Internals"
    assert groups[2]["collapsible"]
    links = [item["link"] for item in groups[0]["items"]]
    assert links == [
        "/",
        "/admin/betting/event/",
        "/?tab=arbitrage",
        "/?tab=moves",
        "/admin/clv/",
    ]


def test_every_list_is_an_entry_of_the_sidebar_or_a_tab_of_one() -> None:
    groups = sidebar.navigation(request_of(User.objects.create_superuser("operator")))
    entries = [item["link"] for group in groups for item in group["items"]]
    tabs = [
        item["link"]
        for each in theme.tabs(RequestFactory().get("/admin/"))
        for item in each["items"]
    ]
    for model, _ in LISTS:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        assert reverse(f"admin:{name}_changelist") in {*entries, *tabs}, name


def test_the_sidebar_shows_what_may_be_seen() -> None:
    groups = sidebar.navigation(request_of(user_with("view_event", "view_deadletter")))
    assert titles_of(groups) == [
        ["Board", "Events", "Arbitrage", "Moves"],
        ["Dead letters", "Runbook"],
        [],
    ]
    groups = sidebar.navigation(request_of(user_with("view_healthsnapshot")))
    assert titles_of(groups)[1] == ["Health", "Runbook"]


@pytest.mark.parametrize(
    "badge", [sidebar.health_badge, sidebar.circuits_badge, sidebar.letters_badge]
)
def test_a_badge_takes_one_statement_on_a_table_and_says_nothing_where_all_is_well(
    badge: Callable[[], sidebar.Badge],
) -> None:
    live()
    with CaptureQueriesContext(connection) as captured:
        assert badge() is None
    assert len([each for each in captured if " FROM " in each["sql"]]) == 1


def test_badges_say_what_is_wrong() -> None:
    live(state="open", reason="HTTP 503")
    rows.make_health_snapshot(status="warn", taken_at=datetime.now(UTC))
    rows.make_dead_letter()
    rows.make_dead_letter(status=LetterStatus.REPLAYED)
    assert sidebar.health_badge() == ("warn", "warning")
    assert sidebar.circuits_badge() == ("1", "danger")
    assert sidebar.letters_badge() == ("1", "warning")


def test_a_badge_says_that_nothing_has_checked_the_pipeline_for_a_while() -> None:
    rows.make_health_snapshot(taken_at=datetime.now(UTC) - timedelta(minutes=5))
    assert sidebar.health_badge() == ("not checked", "danger")


def test_many_letters_are_counted_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidebar, "MAX_COUNTED", 2)
    for _ in range(4):
        rows.make_dead_letter()
    assert sidebar.letters_badge() == ("2+", "warning")


def test_the_templates_need_no_inline_script_or_style() -> None:
    templates = Path(betting.web.__file__).parent / "templates"
    streaming = templates.parents[2] / "streaming" / "templates"
    paths = [*templates.rglob("*.html"), *streaming.rglob("*.html")]
    assert len(paths) > 20
    inline = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)")
    for path in paths:
        found = inline.search(path.read_text())
        assert found is None, path
