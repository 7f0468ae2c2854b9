"""Live settings: an operator's change is in force everywhere, and values what it affects."""

from __future__ import annotations

import io
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from betting.config import get_config
from betting.config.env import ConfigError
from betting.config.live import Changes, bring_into_force, changes_in_force, live_variables
from betting.db import live_settings
from betting.models import Market, SettingChange
from streaming import tasks
from tests.support import rows
from valuation import revaluation
from valuation.models import Edge
from valuation.tasks import recompute_markets

pytestmark = pytest.mark.django_db

MIN_BOOKS = "HARDLINE_VALUATION_MIN_BOOKS"
MIN_EV = "HARDLINE_VALUATION_MIN_EDGE_EV"
BATCH = "HARDLINE_COALESCE_BATCH_MS"
PAGE = "/admin/betting/settingchange/live/"


def change(name: str, value: str, reason: str = "a test") -> SettingChange:
    return live_settings.change(name, value, "ana", reason)


def settings(*arguments: str) -> str:
    out = io.StringIO()
    call_command("settings", *arguments, stdout=out)
    return out.getvalue()


def test_a_change_is_in_force_until_it_is_reset() -> None:
    change(MIN_BOOKS, "5")
    assert get_config().valuation.min_books == 5

    change(MIN_BOOKS, "4")
    assert get_config().valuation.min_books == 4

    change(MIN_BOOKS, "")
    assert get_config().valuation.min_books == 3
    assert [row.value for row in SettingChange.objects.all()] == ["", "4", "5"]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (MIN_BOOKS, "0", "0 is not between 1 and 1000"),
        (MIN_BOOKS, "many", "'many' is not a whole number"),
        ("HARDLINE_VALUATION_METHOD", "powr", "did you mean power?"),
        ("HARDLINE_HEALTH_QUEUE_SECONDS", "30,5", "HARDLINE_HEALTH_QUEUE_SECONDS"),
    ],
)
def test_a_value_that_the_environment_would_not_accept_is_refused(
    name: str, value: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem.replace("?", r"\?")):
        change(name, value)
    assert not SettingChange.objects.exists()


@pytest.mark.parametrize("name", ["HARDLINE_SECRET_KEY", "HARDLINE_WEB_PORT", "PATH", ""])
def test_nothing_but_a_live_setting_can_be_changed(name: str) -> None:
    with pytest.raises(live_settings.UnknownSettingError):
        change(name, "1")


def test_no_secret_is_a_live_setting_and_each_says_what_it_accepts() -> None:
    assert not [variable.name for variable in live_variables() if variable.is_secret]
    assert all(variable.description for variable in live_variables())


def test_a_value_that_is_no_longer_valid_is_left_out_and_the_others_apply(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bring_into_force(Changes(2, None, {MIN_BOOKS: "0", BATCH: "70", "HARDLINE_GONE": "1"}))

    assert get_config().coalesce.batch_ms == 70
    assert get_config().valuation.min_books == 3
    assert "HARDLINE_VALUATION_MIN_BOOKS: 0 is not between" in caplog.text
    assert "HARDLINE_GONE: unknown" in caplog.text


def test_an_environment_that_sets_it_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIN_BOOKS, "6")
    change(BATCH, "70")
    assert get_config().valuation.min_books == 6
    change(MIN_BOOKS, "2")
    assert get_config().valuation.min_books == 2


@pytest.mark.django_db(transaction=True)
def test_a_process_follows_a_change_that_another_one_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_settings, "FOLLOW_SECONDS", 0.01)
    followed, ends = threading.Event(), threading.Event()
    original = bring_into_force

    def bring(changes: Changes) -> bool:
        has_changed = original(changes)
        if changes.values.get(BATCH) == "70":
            followed.set()
        return has_changed

    monkeypatch.setattr(live_settings, "bring_into_force", bring)
    monkeypatch.setattr(live_settings._Following, "pid", None)
    monkeypatch.setattr(live_settings._Following, "ends", ends)
    live_settings.follow()
    thread = next(each for each in threading.enumerate() if each.name == "live settings")
    live_settings.follow()
    try:
        SettingChange.objects.create(name=BATCH, value="70", changed_by="another process")

        assert followed.wait(10)
        assert get_config().coalesce.batch_ms == 70
        assert [each.name for each in threading.enumerate()].count("live settings") == 1
    finally:
        ends.set()
        thread.join(10)
    assert not thread.is_alive()


def test_changes_that_were_read_earlier_do_not_replace_those_read_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_reading, may_end = threading.Event(), threading.Event()

    def read() -> Changes:
        if is_reading.is_set():
            return Changes(2, None, {BATCH: "72"})
        is_reading.set()
        may_end.wait(10)
        return Changes(1, None, {BATCH: "71"})

    monkeypatch.setattr(live_settings, "stored", read)
    earlier, later = (threading.Thread(target=live_settings.refresh) for _ in range(2))
    earlier.start()
    assert is_reading.wait(10)
    later.start()
    later.join(0.2)  # it would end here if it did not wait for the earlier one
    may_end.set()
    earlier.join(10)
    later.join(10)

    assert changes_in_force().version == 2
    assert get_config().coalesce.batch_ms == 72


def test_a_process_keeps_its_configuration_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change(BATCH, "70")

    def refuse() -> Changes:
        raise OperationalError

    monkeypatch.setattr(live_settings, "stored", refuse)
    monkeypatch.setattr(live_settings._Following, "pid", None)
    monkeypatch.setattr(threading.Thread, "start", lambda _self: None)
    live_settings.follow()

    assert get_config().coalesce.batch_ms == 70


@pytest.mark.usefixtures("redis")
class TestValuation:
    """A change of the valuation's rules, and a process that has not followed it yet."""

    def board(self) -> rows.Board:
        board = rows.make_board((2.3, 1.8), (1.9, 1.95), voices=3)
        Market.objects.update(version=1, valued_version=0, dirty_at=datetime.now(UTC))
        recompute_markets([board.market.pk], "sweep")
        return board

    def open_edges(self) -> int:
        return Edge.objects.filter(closed_at=None).count()

    def test_changed_rules_value_every_market_again(self) -> None:
        self.board()
        revaluation.apply_policy(get_config().valuation, revaluation.policy_set_at())
        assert self.open_edges() == 1

        change(MIN_EV, "0.9")
        assert revaluation.apply_policy(get_config().valuation, revaluation.policy_set_at())
        recompute_markets(revaluation.step(), "sweep")

        assert self.open_edges() == 0

    def test_a_process_that_is_behind_neither_changes_the_rules_back_nor_values_by_the_old(
        self,
    ) -> None:
        board = self.board()
        revaluation.apply_policy(get_config().valuation, revaluation.policy_set_at())
        change(MIN_EV, "0.9")
        revaluation.apply_policy(get_config().valuation, revaluation.policy_set_at())
        markets = revaluation.step()
        assert markets == [board.market.pk]

        bring_into_force(Changes())  # as another process that has not looked yet
        assert not live_settings.is_current()
        assert not revaluation.apply_policy(get_config().valuation, revaluation.policy_set_at())
        recompute_markets(markets, "batch")

        assert live_settings.is_current()
        assert self.open_edges() == 0

    def test_a_change_made_before_the_process_began_is_no_reason_to_value_again(self) -> None:
        made = change(MIN_EV, "0.9")
        SettingChange.objects.filter(pk=made.pk).update(
            changed_at=datetime.now(UTC) - timedelta(days=1)
        )
        live_settings.refresh()
        assert revaluation.policy_set_at() == revaluation.STARTED_AT


def test_what_is_read_is_judged_by_the_rules_in_force_and_not_by_those_at_the_import(
    admin_client: Client,
) -> None:
    rows.make_board((2.3, 1.8), (1.9, 1.95), voices=3)
    Market.objects.update(changed_at=datetime.now(UTC))

    def open_ones() -> tuple[int, int, int]:
        listed = admin_client.get("/api/v1/edges/", {"in_play": "any"}).json()["results"]
        fair = admin_client.get("/api/v1/fair-prices/", {"state": "ok"}).json()["results"]
        out = io.StringIO()
        call_command("export", "edges", status="open", stdout=out)
        return len(listed), len(fair), len(out.getvalue().splitlines()) - 1

    assert open_ones() == (1, 2, 1)
    change(MIN_BOOKS, "50")
    assert open_ones() == (0, 0, 0)


def test_the_sweep_applies_changed_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[float] = []
    monkeypatch.setattr(
        revaluation, "apply_policy", lambda policy, _set_at: applied.append(policy.min_edge_ev)
    )
    change(MIN_EV, "0.04")
    tasks._revalue()
    assert applied == [0.04]


def test_the_command_lists_changes_resets_and_tells_who_did_it() -> None:
    said = settings("set", MIN_BOOKS, "5", "--reason", "thin markets")
    assert said == f"{MIN_BOOKS}=5; running processes follow within seconds\n"
    assert f"{MIN_BOOKS}=5 (live; 1 to 1,000)" in settings("list")
    assert f"{BATCH}=250 (default; 0 to 10,000)" in settings("list")
    assert f": {MIN_BOOKS}=5 – thin markets" in settings("history")
    assert SettingChange.objects.get().changed_by.startswith("shell:")

    assert f"{MIN_BOOKS}=3;" in settings("reset", MIN_BOOKS, "--reason", "enough books again")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HARDLINE_VALUATION_MINBOOKS", "5", f"did you mean {MIN_BOOKS}?"),
        (MIN_BOOKS, "0", "0 is not between 1 and 1000"),
    ],
)
def test_the_command_refuses_what_cannot_be_set(name: str, value: str, words: str) -> None:
    with pytest.raises(CommandError, match=words.replace("?", r"\?")):
        settings("set", name, value, "--reason", "a test")


class TestPage:
    def client_of(self, *codenames: str) -> Client:
        user = User.objects.create_user("ana", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    def post(self, client: Client, value: str, **fields: str) -> tuple[int, str]:
        form = {"name": MIN_BOOKS, "value": value, "reason": "thin markets"}
        path = "valuation.min_books"
        data = {f"{path}-{name}": text for name, text in form.items()}
        response = client.post(PAGE, {**data, **fields}, follow=True)
        return response.status_code, response.content.decode()

    def test_an_operator_changes_a_setting_and_resets_it(self) -> None:
        client = self.client_of("view_settingchange", "add_settingchange")
        page = client.get(PAGE).content.decode()
        assert "Min books: 3" in page
        assert "Accepted: 1 to 1,000 · default 3" in page

        status, page = self.post(client, "5")
        assert status == 200
        assert "Min books: 5" in page
        assert "changed here" in page
        assert "Last changed by ana" in page
        assert get_config().valuation.min_books == 5

        _, page = self.post(client, "5", reset="1")
        assert "Min books: 3" in page
        assert get_config().valuation.min_books == 3

    def test_a_bad_value_is_explained_beside_its_setting(self) -> None:
        client = self.client_of("view_settingchange", "add_settingchange")
        _, page = self.post(client, "0")
        assert "0 is not between 1 and 1000" in page
        _, page = self.post(client, "5", **{"valuation.min_books-reason": ""})
        assert "Reason: This field is required." in page
        assert not SettingChange.objects.exists()

    def test_whoever_may_only_view_sees_no_form_and_changes_nothing(self) -> None:
        client = self.client_of("view_settingchange")
        page = client.get(PAGE).content.decode()
        assert "Min books: 3" in page
        assert "thin markets" not in page
        assert 'name="save"' not in page
        assert self.post(client, "5")[0] == 403
        assert not SettingChange.objects.exists()

    def test_nobody_else_sees_it(self) -> None:
        assert self.client_of().get(PAGE).status_code == 403

    def test_a_setting_that_is_not_live_cannot_be_posted(self) -> None:
        client = self.client_of("view_settingchange", "add_settingchange")
        data = {"web.port-name": "HARDLINE_WEB_PORT", "web.port-value": "1", "web.port-reason": "x"}
        assert client.post(PAGE, data).status_code == 403
        forged = {"valuation.min_books-name": "HARDLINE_WEB_PORT", "valuation.min_books-value": "1"}
        page = client.post(PAGE, {**forged, "valuation.min_books-reason": "x"}).content.decode()
        assert "HARDLINE_WEB_PORT: unknown" in page
        assert not SettingChange.objects.exists()

    def test_the_page_asks_the_same_however_many_changes_there_were(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client = self.client_of("view_settingchange", "add_settingchange")
        for count in (1, 20):
            for _ in range(count):
                change(MIN_BOOKS, "5")
                change(BATCH, "70")
            with django_assert_num_queries(5):
                client.get(PAGE)


def test_the_version_grows_with_each_change_and_says_when() -> None:
    assert changes_in_force() == Changes()
    first = change(BATCH, "70")
    second = change(BATCH, "")
    assert changes_in_force().version == second.pk > first.pk
    assert changes_in_force().changed_at == SettingChange.objects.get(pk=second.pk).changed_at
    assert os.environ.get(BATCH) is None
    assert connection.in_atomic_block
