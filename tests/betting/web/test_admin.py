"""The admin: nearly every model is there, facts stay facts, and no page grows with the table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_results.models import GroupResult, TaskResult
from unfold.widgets import UnfoldAdminTextInputWidget

from betting.admin_base import read_only
from betting.admin_base.read_only import FactAdmin
from betting.models import Bookmaker, BookmakerWeight, ChangeKind, ParticipantAlias, Provider, Sport
from betting.web.admin.quotes import HISTORY_SHOWN
from streaming.forms.alert import AlertForm
from streaming.forms.provider import ProviderForm
from streaming.forms.webhook import WebhookForm
from streaming.models import (
    AlertSubscriber,
    BaselineSnapshot,
    Circuit,
    DeadLetterEviction,
    DeadLetterOccurrence,
    WebhookSubscriber,
)
from tests.support import rows
from valuation.models import AppliedPolicy, Result, Revaluation, Settlement

pytestmark = pytest.mark.django_db

OURS = ("betting", "streaming", "valuation")
EDITABLE = {
    Provider,
    Bookmaker,
    Circuit,
    ParticipantAlias,
    AlertSubscriber,
    WebhookSubscriber,
    User,
    Group,
}
admin.autodiscover()
REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)
#: Read as JSON files, by `manage.py baseline`; edited on their bookmaker's page.
WITHOUT_PAGES = {BaselineSnapshot, BookmakerWeight}
FACTS = [model for model in REGISTERED if model not in EDITABLE]


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("operator"))
    return client


def changelist_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def change_url(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def page(client: Client, url: str, **query: str) -> str:
    response = client.get(url, query)
    assert response.status_code == 200, (url, response.status_code)
    return response.content.decode()


def fill(size: int) -> None:
    """`size` rows or more of every model, spread out: no two lists share a parent."""
    for number in range(size):
        board = rows.make_board((1.9, 2.1), (2.0, 2.2), voices=3)
        rows.make_poll_run(board.provider)
        rows.make_recompute_run()
        rows.make_health_snapshot()
        rows.make_feed_bookmaker(board.feed)
        rows.make_rival(board.quotes[0], 1.8)
        rows.make_setting_change()
        rows.make_opportunity(*board.quotes[:2])
        rows.make_closing_price(board.outcomes[0])
        rows.make_closing_quote(board.quotes[0])
        rows.make_edge_closing(rows.make_edge(board.quotes[1]))
        Result.objects.create(event=board.event, status="void", source="a test")
        Settlement.objects.create(outcome=board.outcomes[0], value=1.0, source="kalshi")
        Revaluation.objects.create(reason="a test", bookmaker=board.quotes[0].bookmaker)
        AppliedPolicy.objects.get_or_create(
            pk=1, defaults={"fingerprint": "0", "applied_at": datetime.now(UTC)}
        )
        rows.make_circuit(board.provider)
        rows.make_feed_circuit(board.provider)
        rows.make_transition(board.provider)
        rows.make_participant_alias()
        rows.make_doubt(board.provider)
        rows.make_delivery_run(rows.make_webhook().key)
        rows.make_alert(rows.make_alert_subscriber())
        rows.make_dead_letter_action(rows.make_dead_letter())
        DeadLetterOccurrence.objects.create(end=uuid4(), kind="exception")
        day = date(2026, 1, 1) + timedelta(days=DeadLetterEviction.objects.count())
        DeadLetterEviction.objects.create(day=day, letters=1)
        TaskResult.objects.create(task_id=f"task-{number}-{board.event.pk}", task_name="poll")
        GroupResult.objects.create(group_id=f"group-{number}-{board.event.pk}")
        user = User.objects.create(username=f"user-{number}-{board.event.pk}")
        user.groups.add(Group.objects.create(name=f"group-{number}-{board.event.pk}"))


def first_of(model: type[Model]) -> Model:
    row = model._default_manager.first()
    assert row is not None
    return row


def queries_of(read: Callable[[], object]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        read()
    return len(captured)


def test_every_model_but_those_without_pages_is_registered() -> None:
    ours = {model for app in OURS for model in apps.get_app_config(app).get_models()}

    assert ours - WITHOUT_PAGES == {model for model in REGISTERED if model._meta.app_label in OURS}
    assert {TaskResult, GroupResult, User, Group} <= set(REGISTERED)


def test_every_list_takes_as_many_statements_for_ten_times_the_rows(operator: Client) -> None:
    def statements() -> dict[str, int]:
        urls = {model._meta.label: changelist_url(model) for model in REGISTERED}
        return {label: queries_of(partial(page, operator, url)) for label, url in urls.items()}

    fill(1)
    ContentType.objects.get_for_models(*REGISTERED)  # which Django looks up once
    few = statements()

    fill(9)

    assert statements() == few
    assert max(few.values()) <= 12


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_a_search_leaves_out_what_it_does_not_match(model: type[Model], operator: Client) -> None:
    fill(1)
    url = changelist_url(model)

    assert "Reset search and filters" not in page(operator, url)
    assert 'id="result_list"' in page(operator, url)
    found = page(operator, url, q="zebra 7")
    assert "Reset search and filters" in found
    assert 'id="result_list"' not in found


@pytest.mark.parametrize("model", FACTS, ids=lambda model: model._meta.label)
def test_a_fact_can_be_looked_at_and_nothing_else(model: type[Model], operator: Client) -> None:
    fill(1)
    row = first_of(model)
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="operator")
    pages = admin.site._registry[model]

    assert isinstance(pages, FactAdmin)
    assert 'name="_save"' not in page(operator, change_url(row))
    assert not pages.has_add_permission(request)
    assert not pages.has_change_permission(request, row)
    assert not pages.has_delete_permission(request, row)
    assert operator.post(change_url(row), {}).status_code == 403
    assert operator.post(f"{changelist_url(model)}add/", {}).status_code == 403
    assert operator.post(change_url(row).replace("/change/", "/delete/"), {}).status_code == 403


def grown(board: rows.Board, size: int) -> None:
    """`size` more of everything that a page of the board's rows lists."""
    for _ in range(size):
        rows.make_poll_run(board.provider)
        rows.make_transition(board.provider)
        rows.make_feed_bookmaker(rows.make_feed(board.provider))
        rows.make_market(board.event, participant=f"player {rows._next('p')}")
        bookmaker = rows.make_bookmaker()
        for outcome in board.outcomes:
            quote = rows.make_quote(outcome, board.feed, 2.3, bookmaker=bookmaker)
            rows.make_edge(quote)
            rows.make_rival(quote, 2.2)
            rows.make_opportunity(quote, board.quotes[1])
        totals = rows._next("Over")
        outcome = rows.make_outcome(board.market, totals, point=float(size), line=float(size))
        rows.make_fair_price(outcome)
        rows.make_change(
            board.quotes[0], kind=ChangeKind.PRICE, old_price=2.0, new_price=2.1, movement=0.05
        )


def test_every_page_takes_as_many_statements_for_ten_times_what_it_lists(
    operator: Client,
) -> None:
    fill(1)
    board = rows.make_board((1.9, 2.1))
    of_the_board: dict[type[Model], Model] = {
        type(row): row
        for row in (board.provider, board.feed, board.event, board.market, board.outcomes[0],
                    board.quotes[0])
    }  # fmt: skip
    urls = {
        model._meta.label: change_url(of_the_board.get(model) or first_of(model))
        for model in REGISTERED
    }

    def statements() -> dict[str, int]:
        return {label: queries_of(partial(page, operator, url)) for label, url in urls.items()}

    grown(board, 1)
    ContentType.objects.get_for_models(*REGISTERED)  # which Django looks up once
    few = statements()

    grown(board, 9)

    assert statements() == few
    assert max(few.values()) <= 20


def test_a_quote_shows_the_history_of_its_line_over_all_its_points(operator: Client) -> None:
    board = rows.make_board()
    bookmaker = rows.make_bookmaker()
    opened, moved = (
        rows.make_quote(
            rows.make_outcome(board.market, "Lakers", point=point, line=point),
            board.feed,
            1.95,
            bookmaker=bookmaker,
        )
        for point in (-3.5, -4.0)
    )
    rows.make_change(opened, new_price=1.8765)
    rows.make_change(
        moved, kind=ChangeKind.POINT, old_price=1.8765, new_price=1.95, old_point=-3.5,
        new_point=-4.0, received_at=rows.NOON + timedelta(minutes=1),
    )  # fmt: skip
    elsewhere = rows.make_quote(opened.outcome, board.feed, 1.7, bookmaker=rows.make_bookmaker())
    rows.make_change(elsewhere, new_price=1.4321)

    for quote in (opened, moved):
        shown = page(operator, change_url(quote))
        assert shown.index("point moved") < shown.index("opened")
        assert "1.877" in shown
        assert "1.432" not in shown


def test_a_long_history_shows_its_newest_changes(operator: Client) -> None:
    board = rows.make_board((1.9, 2.1))
    quote = board.quotes[0]
    for number in range(HISTORY_SHOWN + 5):
        rows.make_change(
            quote, kind=ChangeKind.PRICE, old_price=100.0 + number, new_price=101.0 + number,
            received_at=rows.NOON + timedelta(seconds=number),
        )  # fmt: skip

    shown = page(operator, change_url(quote))

    assert "305.00" in shown
    assert "105.00" in shown
    assert "104.00" not in shown


def test_a_market_shows_its_prices_its_value_and_its_opportunities(operator: Client) -> None:
    board = rows.make_board((2.25, 1.5), (1.8, 2.125), voices=3)

    shown = page(operator, change_url(board.market))

    for words in ("Open edges", "+23.75 %", "arbitrage", "+9.29 %", "Fair prices", "Middles"):
        assert words in shown
    for quote in board.quotes:
        assert quote.bookmaker.key in shown


def test_an_event_shows_its_markets_and_its_ids(operator: Client) -> None:
    board = rows.make_board((1.9, 2.1))
    rows.make_market(board.event, kind="spreads", period="h1")

    shown = page(operator, change_url(board.event))

    assert "Spread, 1st half" in shown
    assert board.event.aliases.get().external_id in shown


def test_names_of_feeds_cannot_put_markup_on_a_page(operator: Client) -> None:
    provider = rows.make_provider()
    event = rows.make_event(provider, home="<script>alert(1)</script>")
    market = rows.make_market(event)
    outcome = rows.make_outcome(market, "<script>alert(2)</script>")
    quote = rows.make_quote(outcome, rows.make_feed(provider))
    rows.make_edge(quote)
    rows.make_fair_price(outcome)

    for row in (event, market, quote):
        shown = page(operator, change_url(row)) + page(operator, changelist_url(type(row)))
        assert "<script>alert" not in shown


@pytest.mark.parametrize(
    ("make", "lists"),
    [
        (rows.make_provider, ProviderForm.LISTS),
        (rows.make_webhook, WebhookForm.LISTS),
        (rows.make_alert_subscriber, AlertForm.LISTS),
    ],
)
def test_lists_of_keys_are_entered_on_one_line(
    operator: Client, make: Callable[[], Model], lists: tuple[str, ...]
) -> None:
    form = operator.get(change_url(make())).context["adminform"].form
    widgets = {type(form.fields[name].widget) for name in lists}
    assert widgets == {UnfoldAdminTextInputWidget}


def test_counting_stops_where_paging_does(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_only, "MAX_LISTED", 10)
    for title in ("Curling", "Curling", *["Darts"] * 12):
        rows.make_sport(title=title)

    assert "the newest 10 sports; there are more" in page(operator, changelist_url(Sport))
    assert "2 sports" in page(operator, changelist_url(Sport), q="curling")


def test_times_are_shown_to_the_second(operator: Client) -> None:
    rows.make_feed(observed_at=datetime(2026, 3, 1, 20, 15, 42, tzinfo=UTC))

    assert "2026-03-01 20:15:42" in page(operator, reverse("admin:betting_feed_changelist"))


def test_the_pages_are_closed_to_strangers(client: Client) -> None:
    for model in REGISTERED:
        assert client.get(changelist_url(model)).status_code == 302


def test_the_sidebar_lists_every_model(operator: Client) -> None:
    shown = page(operator, reverse("admin:index"))

    for model in REGISTERED:
        assert changelist_url(model) in shown
