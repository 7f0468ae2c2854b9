"""`manage.py alerts`: subscribers added, looked at, tested and removed, without showing a URL."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command

from betting.config import Config, get_config
from streaming.models import AlertSubscriber
from tests.support.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

URL = "tgram://123456789:abcdefg_hijklmnop/12315544/"


@pytest.fixture
def _private_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that trusts its own network."""
    usual = get_config()
    trusting = replace(usual, bus=replace(usual.bus, allow_private_networks=True))

    def configured() -> Config:
        return trusting

    monkeypatch.setattr("streaming.management.commands.alerts.get_config", configured)
    monkeypatch.setattr("streaming.forms.alert.get_config", configured)


def alerts(*arguments: str, url: str = URL, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{url}\n"))
    out = io.StringIO()
    call_command("alerts", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_a_subscriber_is_added_and_listed_without_its_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = alerts(
        "add", "desk", "--min-ev", "0.03", "--quiet-from", "23:00", "--quiet-to", "07:00",
        "--time-zone", "Europe/London", "--operations", monkeypatch=monkeypatch,
    )  # fmt: skip
    said += alerts("list", monkeypatch=monkeypatch)
    assert "added desk, tgram://…" in said
    assert "abcdefg" not in said
    desk = AlertSubscriber.objects.get()
    assert desk.url == URL
    assert (desk.min_ev, desk.wants_edges, desk.wants_operations) == (0.03, True, True)


@pytest.mark.parametrize(
    ("options", "url", "words"),
    [
        ([], "", "Enter an Apprise URL"),
        ([], "syslog://", "not sent through"),
        (["--quiet-from", "23:00"], URL, "both ends"),
        (["--time-zone", "Europe/Londn"], URL, "Europe/London"),
        (["--min-ev", "0.2", "--max-ev", "0.1"], URL, "no less"),
        (["--operations-only"], URL, "Choose edges"),
        (["--start-hours", "-1"], URL, "greater than or equal"),
        (["--start-hours", "1e11"], URL, "less than or equal"),
    ],
)
def test_what_cannot_be_sent_is_not_added(
    options: list[str], url: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match=words) as caught:
        alerts("add", "desk", *options, url=url, monkeypatch=monkeypatch)
    assert "abcdefg" not in str(caught.value)
    assert not AlertSubscriber.objects.exists()


@pytest.mark.usefixtures("_private_networks")
def test_a_test_message_arrives_or_says_why_not(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = receiver.url.removeprefix("http://").split("/")[0]
    alerts("add", "desk", url=f"json://{address}/s3cret", monkeypatch=monkeypatch)
    assert "took the test message" in alerts("test", "desk", monkeypatch=monkeypatch)
    receiver.status = 403
    with pytest.raises(CommandError, match="The service answered 403") as caught:
        alerts("test", "desk", monkeypatch=monkeypatch)
    assert "s3cret" not in str(caught.value)
    assert "removed desk" in alerts("remove", "desk", monkeypatch=monkeypatch)
    with pytest.raises(CommandError, match="no subscriber 'desk'; none has been added"):
        alerts("test", "desk", monkeypatch=monkeypatch)
