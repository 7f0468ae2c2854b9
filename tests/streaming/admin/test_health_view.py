"""The health view and the dashboard: who sees what, what they show, and how they stay current."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from betting.config import get_config
from betting.db import sql
from betting.models import Provider
from betting.web import documents
from streaming.coalescing import adaptive
from streaming.coalescing.adaptive import MinorChange
from streaming.core.coalesce import CoalescePolicy
from streaming.core.health import Status, title
from streaming.core.throttle import ThrottleMode
from streaming.health.checks import CHECKS
from streaming.health.servers import look_at_redis
from streaming.models import Circuit, CircuitTransition, FeedCircuit, HealthSnapshot
from tests.streaming.admin.conftest import SEES, staff
from tests.support import rows
from tests.support.watch import Watch

pytestmark = pytest.mark.django_db

HEALTH = "/admin/streaming/health/"
NOW, HISTORY = f"{HEALTH}now/", f"{HEALTH}history/"
QUERIES = {HEALTH: (12, 13), NOW: (7, 10), HISTORY: (5, 2), "/admin/": (12, 13)}
"""Address → statements by Django's cursors, and by those that bind on the server.

Of a whole page's, three and one are for the badges of the sidebar."""


def text(client: Client, address: str = HEALTH) -> str:
    response = client.get(address)
    assert response.status_code == 200, response.content
    return response.content.decode()


@pytest.mark.usefixtures("at_noon")
def test_it_is_for_staff_who_may_see_snapshots(client: Client) -> None:
    for address in (HEALTH, NOW, HISTORY):
        assert client.get(address).status_code == 302
        assert "/admin/login/" in client.get(address)["Location"]
    outsider = staff()
    for address in (HEALTH, NOW, HISTORY):
        assert outsider.get(address).status_code == 403


def test_an_update_after_the_end_of_a_session_loads_the_page_again(client: Client) -> None:
    response = client.get(NOW, headers={"HX-Request": "true"})

    assert response.status_code == 401
    assert response["HX-Refresh"] == "true"


def test_who_may_only_see_has_no_buttons_and_is_refused(at_noon: Watch) -> None:
    reader = staff(SEES)
    provider = at_noon.provider

    page = text(reader)
    assert provider.key in page
    assert "Poll now" not in page
    assert "Reset …" not in page
    assert reader.post(f"{HEALTH}providers/{provider.pk}/poll/").status_code == 403
    for name in ("open", "close", "reset"):
        assert reader.get(f"{HEALTH}providers/{provider.pk}/{name}/").status_code == 403
        answer = reader.post(f"{HEALTH}providers/{provider.pk}/{name}/", {"reason": "x"})
        assert answer.status_code == 403
    feed = rows.make_feed_circuit(provider)
    assert reader.post(f"{HEALTH}feeds/{feed.pk}/reset/", {"reason": "x"}).status_code == 403
    assert CircuitTransition.objects.count() == 0


@pytest.mark.usefixtures("at_noon")
def test_each_permission_shows_its_own_buttons() -> None:
    overrides = staff(SEES, "change_circuit")

    assert "Reset …" in text(overrides)
    assert "Poll now" not in text(overrides)


@pytest.mark.usefixtures("at_noon")
def test_flower_is_linked_where_the_page_itself_has_no_tls(operator: Client) -> None:
    for address in (HEALTH, "/admin/"):
        assert 'href="http://testserver:5555/"' in text(operator, address)
        response = operator.get(address, secure=True)
        assert response.status_code == 200
        assert b"Flower" not in response.content


def test_poll_now_makes_the_provider_due(at_noon: Watch, operator: Client) -> None:
    Provider.objects.update(next_poll_at=at_noon.now + timedelta(hours=1))

    response = operator.post(f"{HEALTH}providers/{at_noon.provider.pk}/poll/", follow=True)

    assert "the next tick polls it" in response.content.decode()
    assert Provider.objects.get().next_poll_at is None
    assert operator.get(f"{HEALTH}providers/{at_noon.provider.pk}/poll/").status_code == 405


@pytest.mark.parametrize(
    ("change", "said"),
    [({"enabled": False}, "enable it first"), ({"circuit": "open"}, "reset it first")],
)
def test_poll_now_says_why_it_cannot(
    at_noon: Watch, operator: Client, change: dict[str, Any], said: str
) -> None:
    later = at_noon.now + timedelta(hours=1)
    if state := change.pop("circuit", None):
        rows.make_circuit(at_noon.provider, state=state, reason="failures")
    Provider.objects.update(next_poll_at=later, **change)

    response = operator.post(f"{HEALTH}providers/{at_noon.provider.pk}/poll/", follow=True)

    assert said in response.content.decode()
    assert Provider.objects.get().next_poll_at == later


def throttle_is(mode: ThrottleMode, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(get_config(), circuit_throttle=mode)
    monkeypatch.setattr("streaming.models.circuit.get_config", lambda: config)


@pytest.mark.parametrize(
    ("mode", "does"),
    [
        ("shadow", "; the throttle would hold back 70 % of the polls; 3 polls so far"),
        ("on", "; holds back 70 % of the polls; 3 polls so far"),
    ],
)
def test_a_card_shows_the_risk_its_reason_and_what_the_throttle_does(
    at_noon: Watch, operator: Client, monkeypatch: pytest.MonkeyPatch, mode: ThrottleMode, does: str
) -> None:
    throttle_is(mode, monkeypatch)
    rows.make_circuit(at_noon.provider, call_history=rows.RISKY)

    words = f"<dd>1.00: answers take 3.3 s, usually 0.4 s{does}</dd>"
    assert words in text(operator)
    page = text(operator, f"/admin/betting/provider/{at_noon.provider.pk}/change/")
    assert f"answers take 3.3 s, usually 0.4 s{does}" in page


def test_a_card_shows_no_risk_while_none_is_assessed(
    at_noon: Watch, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    circuit = rows.make_circuit(at_noon.provider)
    assert "<dt>Risk</dt>" not in text(operator)

    Circuit.objects.filter(pk=circuit.pk).update(call_history=rows.RISKY)
    throttle_is("off", monkeypatch)
    assert "<dt>Risk</dt>" not in text(operator)


ESTIMATE = (
    "in play and up to 3 h before the start: 9 s instead of 15 s"
    "; more than 24 h before: 16 s instead of 15 s"
)


def test_a_card_shows_the_plan_of_a_shadow_beside_the_even_interval(
    at_noon: Watch, operator: Client
) -> None:
    rows.make_circuit(at_noon.provider, poll_plan=rows.PLANNED)

    words = f"would wait 41 s instead of 30 s, because {rows.PLANNED['reason']}"
    page = text(operator)
    assert f"<dt>Adaptive</dt><dd>{words}</dd>" in page
    assert f"<dt>Change to poll</dt><dd>{ESTIMATE}, by estimate</dd>" in page
    page = text(operator, f"/admin/betting/provider/{at_noon.provider.pk}/change/")
    assert words in page
    assert ESTIMATE in page


def test_a_card_says_why_the_next_poll_is_due_then_where_a_plan_decided_it(
    at_noon: Watch, operator: Client
) -> None:
    plan = {**rows.PLANNED, "is_acting": True}
    rows.make_circuit(at_noon.provider, poll_plan=plan)
    due = rows.NOON + timedelta(seconds=41)
    Provider.objects.update(next_poll_at=due)

    because = f"</time> because {plan['reason']}</dd>"
    page = text(operator)
    assert because in page
    assert "<dt>Adaptive</dt>" not in page

    Provider.objects.update(next_poll_at=due - timedelta(seconds=11))
    page = text(operator)
    assert because not in page
    assert f"<dd>next poll 41 s after the last, because {plan['reason']}</dd>" in page


def test_a_card_shows_no_plan_while_there_is_none_or_plans_are_off(
    at_noon: Watch, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    circuit = rows.make_circuit(at_noon.provider)
    assert "<dt>Adaptive</dt>" not in text(operator)

    Circuit.objects.filter(pk=circuit.pk).update(poll_plan=rows.PLANNED)
    config = get_config()
    off = replace(config, poll=replace(config.poll, adaptive="off"))
    monkeypatch.setattr("streaming.models.circuit.get_config", lambda: off)
    assert "<dt>Adaptive</dt>" not in text(operator)


@pytest.mark.usefixtures("at_noon", "redis")
def test_adaptive_windows_are_shown_beside_the_fixed_ones_once_they_decide(
    operator: Client,
) -> None:
    assert "Adaptive windows" not in text(operator)

    adaptive.decide({}, {7: MinorChange(1, 0.01), 8: MinorChange(1, None)}, CoalescePolicy())
    assert "2 recomputes for 2 changes, 0 ms of wait in the mean." in text(operator)

    adaptive.count_fixed(3)
    assert "in the mean; they only count, and fixed windows sent 3." in text(operator)


def test_polls_that_an_open_circuit_holds_back_are_not_called_due(
    at_noon: Watch, operator: Client
) -> None:
    Provider.objects.update(next_poll_at=at_noon.now + timedelta(seconds=3))
    assert "; next <time" in text(operator)
    retry_at = at_noon.now + timedelta(seconds=4)
    rows.make_circuit(at_noon.provider, state="open", reason="failures", retry_at=retry_at)
    page = text(operator)
    assert "; held back by the circuit, probe <time" in page
    assert "; next <time" not in page


def test_a_command_asks_for_a_reason_and_records_it(
    at_noon: Watch, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr("streaming.admin.circuits.send_quarantine", sent.append)
    address = f"{HEALTH}providers/{at_noon.provider.pk}/open/"

    assert "Open the circuit of" in text(operator, address)
    assert (
        "Enter a reason"
        in operator.post(address, {"reason": "\N{ZERO WIDTH SPACE}"}).content.decode()
    )
    assert not Circuit.objects.filter(mode="forced_open").exists()
    response = operator.post(address, {"reason": "Wrong prices"})

    assert response["Location"] == HEALTH
    assert Circuit.objects.get().mode == "forced_open"
    assert sent == [at_noon.provider.pk]
    recorded = CircuitTransition.objects.get()
    assert (recorded.actor, recorded.reason) == ("olga", "Wrong prices")
    operator.post(f"{HEALTH}providers/{at_noon.provider.pk}/close/", {"reason": "Test"})
    assert Circuit.objects.get().mode == "forced_closed"
    operator.post(f"{HEALTH}providers/{at_noon.provider.pk}/reset/", {"reason": "Done"})
    assert Circuit.objects.get().mode == "automatic"
    assert operator.get(f"{HEALTH}providers/{at_noon.provider.pk}/explode/").status_code == 404


def test_a_feed_that_is_left_out_can_be_asked_again(at_noon: Watch, operator: Client) -> None:
    feed = rows.make_feed_circuit(
        at_noon.provider,
        state="open",
        since=at_noon.now,
        retry_at=at_noon.now + timedelta(hours=1),
        reason="unknown_sport",
    )
    page = text(operator)
    assert "1 feed, 1 left out" in page
    assert "unknown_sport" in page

    operator.post(f"{HEALTH}feeds/{feed.pk}/reset/", {"reason": "Corrected"})

    assert FeedCircuit.objects.get().state == "closed"


def test_commands_need_a_token(at_noon: Watch, operator: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies

    assert strict.post(f"{HEALTH}providers/{at_noon.provider.pk}/poll/").status_code == 403


def test_a_failing_check_shows_its_limits_and_the_runbook(at_noon: Watch, operator: Client) -> None:
    rows.make_circuit(at_noon.provider, state="open", since=at_noon.now, reason="failures")

    page = text(operator)

    assert "warns from any, fails from 1 (share of the circuits that are open)" in page
    assert "check your own\nnetwork first" in page  # the runbook's words
    assert 'href="/admin/docs/runbook.md#circuits"' in page
    assert "The worst group of checks is providers." in page
    assert "checks pass: database, redis" in page


def test_the_weighted_score_says_which_consequence_decides(
    at_noon: Watch, operator: Client
) -> None:
    assert "<dt>Weighted score</dt><dd>100 of 100</dd>" in text(operator)

    rows.make_circuit(at_noon.provider, state="open", since=at_noon.now, reason="failures")

    assert "<dt>Weighted score</dt><dd>10 of 100 (silence: circuits)</dd>" in text(operator)


def test_burn_rates_and_what_runs_out_are_those_of_the_newest_snapshot(
    at_noon: Watch, operator: Client
) -> None:
    page = text(operator)
    assert "Burn rate" not in page
    assert "Runs out" not in page
    burn = {"polls": {"5m": 20.0, "1h": 15.04, "6h": 0.01}, "deliveries": {"5m": 0.0}}
    exhausted = {"disk": (at_noon.now + timedelta(hours=5)).isoformat()}
    newest = HealthSnapshot.objects.latest("id")
    newest.outlook = {"score": 100, "burn": burn, "exhausted": exhausted}
    newest.save()

    page = text(operator)

    words = "20.0 in 5 min, 15.0 in 1 h; above the limit of 14.4 over 1 h and 5 min"
    assert f"<dt>Burn rate of polls</dt><dd>{words}</dd>" in page
    assert "Burn rate of deliveries" not in page
    assert "<dt>Runs out</dt><dd>the disk, <time" in page
    assert "in 5 h</time> by its trend</dd>" in page


def test_an_installation_without_documents_shows_the_checks_without_them(
    at_noon: Watch, operator: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows.make_circuit(at_noon.provider, state="open", since=at_noon.now, reason="failures")
    monkeypatch.setattr(documents, "DOCUMENTS", tmp_path)

    assert "warns from any, fails from 1" in text(operator)


def test_a_check_that_nothing_dates_says_so(at_noon: Watch, operator: Client) -> None:
    at_noon.provider.feeds.all().delete()
    at_noon.now += timedelta(minutes=10)

    assert "Since when is not recorded" in text(operator)


def test_workers_that_were_not_asked_lately_are_not_known(at_noon: Watch, operator: Client) -> None:
    assert "The workers were last asked" in text(operator)
    assert "not known; 1 were" not in text(operator)
    at_noon.now += timedelta(seconds=868)

    assert "not known; 1 were 14 min 28 s ago" in text(operator)


def test_history_is_sent_again_only_with_a_new_snapshot(at_noon: Watch, operator: Client) -> None:
    first = operator.get(HISTORY)
    tag = {"If-None-Match": first["ETag"]}
    assert first.status_code == 200
    unchanged = operator.get(HISTORY, headers=tag)
    # The tag changes with the minute of the wall clock, too: then ask once more.
    if unchanged.status_code == 200:
        tag = {"If-None-Match": unchanged["ETag"]}
        unchanged = operator.get(HISTORY, headers=tag)
    assert unchanged.status_code == 304
    assert unchanged.content == b""
    at_noon.statuses()

    assert operator.get(HISTORY, headers=tag).status_code == 200


def test_an_answer_that_has_not_changed_is_not_sent_again(
    at_noon: Watch, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.health.servers.look_at_redis", _frozen(at_noon))
    first = operator.get(NOW)
    tag = {"If-None-Match": first["ETag"]}

    assert operator.get(NOW, headers=tag).status_code == 304
    at_noon.now += timedelta(seconds=1)
    assert operator.get(NOW, headers=tag).status_code == 200


def _frozen(watch: Watch) -> Any:
    facts = look_at_redis(watch.config)
    return lambda _config: facts


def test_an_update_replaces_each_part_and_holds_no_script_or_style(
    at_noon: Watch, operator: Client
) -> None:
    rows.make_circuit(at_noon.provider, state="open", since=at_noon.now, reason="failures")
    rows.make_feed_circuit(at_noon.provider)
    now, past = text(operator, NOW), text(operator, HISTORY)

    for part in ("sentence", "providers", "checks", "queues"):
        assert f'id="op-{part}"' in now
    for part in ("figures", "pipeline"):
        assert f'id="op-{part}"' in past
    for update in (now, past):
        assert update.count("<section") == update.count('hx-swap-oob="true"')
        assert " style=" not in update
        assert "<script" not in update
        assert "csrf" not in update


def test_the_figures_come_from_the_snapshots_of_the_past_hour(
    at_noon: Watch, operator: Client
) -> None:
    market = rows.make_market(rows.make_event(at_noon.provider))
    quote = rows.make_quote(rows.make_outcome(market, "one"), at_noon.provider.feeds.get())
    rows.make_edge(quote)
    for _ in range(7):
        rows.make_poll_run(at_noon.provider, started_at=at_noon.now, changes=120, quotes_seen=600)
        rows.make_recompute_run(trigger="batch", finished_at=at_noon.now, valued=3)
        at_noon.statuses(timedelta(minutes=1))

    context = operator.get(HEALTH).context
    figures = {each.title: each for each in context["history"].figures}

    assert figures["Open edges"].value == "1"
    assert figures["Changes a second"].value == "2"
    assert figures["Changes a second"].lines
    assert "between" in figures["Changes a second"].description
    assert figures["Major moves, p99"].value == "–"
    assert figures["Dead letters"].value == "0"
    steps = {step.title: step.rate for step in context["history"].steps}
    assert steps["Changes"] == "2 /s"
    minutes = context["history"].minutes
    assert len(minutes) == 120
    assert minutes[-1].color == "op-is-pass"
    assert minutes[0].tooltip.endswith("nobody checked")


def test_the_strip_shows_the_worst_status_of_each_minute(at_noon: Watch, operator: Client) -> None:
    circuit = rows.make_circuit(at_noon.provider, state="open", since=at_noon.now, reason="x")
    at_noon.statuses(timedelta(minutes=1))
    failed = at_noon.now
    circuit.delete()
    at_noon.statuses()

    last = operator.get(HEALTH).context["history"].minutes[-1]

    assert last.color == "op-is-fail"
    assert last.tooltip == f"{failed:%H:%M} not well: circuits"


@pytest.mark.parametrize("address", [HEALTH, NOW, HISTORY, "/admin/"])
def test_the_number_of_queries_does_not_grow_with_the_number_of_providers(
    at_noon: Watch,
    operator: Client,
    django_assert_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
) -> None:
    bound_on_the_server: list[None] = []

    few, on_server = QUERIES[address]
    monkeypatch.setattr(sql, "server_cursor", _counting(bound_on_the_server))
    with django_assert_num_queries(few):
        text(operator, address)
    assert len(bound_on_the_server) == on_server
    for _ in range(5):
        provider = rows.make_provider()
        for _ in range(4):
            feed = rows.make_feed(provider, observed_at=at_noon.now)
            rows.make_feed_circuit(provider, feed=feed.key)
            rows.make_poll_run(provider, feed=feed.key, started_at=at_noon.now)
        rows.make_circuit(provider)
    bound_on_the_server.clear()
    with django_assert_num_queries(few):
        page = text(operator, address)
    assert len(bound_on_the_server) == on_server
    assert page.count("4 feeds") == (5 if address in {HEALTH, NOW} else 0)


def _counting(calls: list[None]) -> Any:
    """Psycopg's own cursors, which Django does not count, counted."""
    opened = sql.server_cursor

    @contextmanager
    def counting(**options: Any) -> Iterator[Any]:
        calls.append(None)
        with opened(**options) as cursor:
            yield cursor

    return counting


def test_the_dashboard_is_the_health_in_brief(at_noon: Watch, operator: Client) -> None:
    rows.make_circuit(at_noon.provider, state="open", since=at_noon.now, reason="failures")
    page = text(operator, "/admin/")

    for part in ("sentence", "figures", "checks"):
        assert f'id="op-{part}"' in page
    assert 'id="op-providers"' not in page
    assert f'href="{HEALTH}"' in page
    assert "/admin/docs/runbook.md" in page
    assert 'hx-get="/admin/streaming/health/now/?brief"' in page
    assert 'id="op-providers"' not in text(operator, f"{NOW}?brief")


def test_staff_who_may_not_see_health_have_a_dashboard_without_it() -> None:
    page = text(staff("view_market"), "/admin/")

    assert "op-sentence" not in page
    assert "Markets" in page


@pytest.mark.usefixtures("at_noon")
def test_every_status_has_a_colour(operator: Client) -> None:
    """A check in each status is shown, and none of the 25 is left out."""
    page = text(operator)

    assert len(CHECKS) == 25
    for check in CHECKS:
        assert title(check.__name__) in page.lower()
    css = operator.get("/static/operations/operations.css")
    styles = b"".join(css).decode() if css.streaming else css.content.decode()
    for status in Status:
        assert f".op-is-{status.value}" in styles
