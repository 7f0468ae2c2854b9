"""Messages through Apprise: what is refused, how a failure is named, and that no secret shows."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import replace

import apprise
import pytest
from apprise.plugins.discord import NotifyDiscord

from betting.config import BusConfig, get_config
from streaming.core.failures import PermanentFailure, ProviderFailure, TransientFailure
from streaming.core.message_parts import Part
from streaming.notifications.apprise_service import SERVICES, checked, send
from streaming.notifications.in_time import call_in_time
from tests.support.receiver import Receiver

SECRET = "s3cretToken"
BODY = [Part(("body",))]


def bus(*, is_private_allowed: bool = True) -> BusConfig:
    return replace(get_config().bus, allow_private_networks=is_private_allowed)


def url_of(receiver: Receiver) -> str:
    return f"json://user:{SECRET}@{receiver.url.removeprefix('http://').split('/')[0]}/{SECRET}"


def failure_of(url: str, config: BusConfig) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        send(url, "title", BODY, config)
    return caught.value


def test_a_message_arrives(receiver: Receiver) -> None:
    send(url_of(receiver), "+3.4 %", [Part(("Arsenal v Chelsea",))], bus())
    body = json.loads(receiver.posts[0].body)
    assert (body["title"], body["message"]) == ("+3.4 %", "Arsenal v Chelsea")


def test_a_message_is_one_post_of_what_the_service_takes_with_the_first_of_each_part(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifyDiscord, "notify_url", receiver.url)
    checks = tuple(f"Health: check {number} fails: {'why ' * 60}" for number in range(9))
    edges = tuple(f"+{9 - number} % Arsenal to win: {'details ' * 20}" for number in range(9))
    parts = [Part(checks, words="for operators"), Part(edges, 3, "on the board")]
    send(f"discord://4174216298/{SECRET}", "Hardline: 12 new edges", parts, bus())
    (post,) = receiver.posts
    text = json.loads(post.body)["content"]
    assert 1_500 < len(text) <= 2_000
    assert "check 0 fails" in text
    assert "+9 % Arsenal" in text
    assert text.endswith("more on the board.")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, TransientFailure), (429, TransientFailure), (401, PermanentFailure)],
)
def test_a_failure_is_named_by_its_status(
    receiver: Receiver, status: int, kind: type[ProviderFailure]
) -> None:
    receiver.status = status
    failure = failure_of(url_of(receiver), bus())
    assert isinstance(failure, kind)
    assert (failure.code, failure.message) == (f"http_{status}", f"The service answered {status}.")


def test_no_secret_is_logged_or_raised(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    send(url_of(receiver), "title", BODY, bus())
    receiver.status = 500
    failures = [
        failure_of(url_of(receiver), bus()),
        failure_of(url_of(receiver), bus(is_private_allowed=False)),
        failure_of(f"json://127.0.0.1:1/{SECRET}", bus()),
        failure_of(f"tgram://{SECRET}", bus()),
    ]
    out, err = capfd.readouterr()
    shown = [caplog.text, out, err, *(repr(each) for each in failures)]
    assert not [text for text in shown if SECRET in text]


def test_a_service_that_is_away_is_a_transient_failure() -> None:
    failure = failure_of(f"json://127.0.0.1:1/{SECRET}", bus())
    assert (failure.code, failure.message) == ("connect", "The service could not be reached.")
    assert isinstance(failure, TransientFailure)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_address_is_refused_when_it_is_connected_to(
    receiver: Receiver, host: str
) -> None:
    url = url_of(receiver).replace("127.0.0.1", host)
    failure = failure_of(url, bus(is_private_allowed=False))
    assert failure.code == "forbidden_address"
    assert not receiver.posts
    send(url, "title", BODY, bus())
    assert len(receiver.posts) == 1


def test_mail_to_a_private_server_is_refused() -> None:
    url = f"mailto://user:{SECRET}@example.org/?smtp=127.0.0.1&from=a@example.org"
    assert failure_of(url, bus(is_private_allowed=False)).code == "forbidden_address"


def test_a_service_that_hangs_is_left_behind_at_the_deadline(receiver: Receiver) -> None:
    receiver.hangs = True

    def sends() -> None:
        send(url_of(receiver), "title", BODY, bus())

    with pytest.raises(TransientFailure, match="did not end within"):
        call_in_time("alert:desk", sends, 0.3)
    with pytest.raises(TransientFailure, match="earlier call"):
        call_in_time("alert:desk", sends, 0.3)


@pytest.mark.parametrize(
    "url",
    [
        "syslog://", "dbus://", "gnome://", "windows://", "macosx://", "rsyslog://localhost",
        "irc://irc.example/#x", "amqp://host/x", "mqtt://host/x", "exec://rm", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_services_that_do_not_speak_http_or_smtp_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not sent through"):
        checked(url, allow_private=True)
    assert failure_of(url, bus()).code == "invalid_url"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (SECRET, "Enter an Apprise URL"),
        (f"tgram://{SECRET}", "not complete"),
        ("tgram://123456789:", "not complete"),
        (f"https://odds.example/{SECRET}", "not complete"),
        (f"discord://4174216298/{SECRET}?template=/etc/passwd", "read files"),
        (f"mailtos://a:{SECRET}@example.org?pgpkey=/root/key", "read files"),
        (f"json://10.0.0.1/{SECRET}", "public internet"),
        (f"jsons://localhost/{SECRET}", "public internet"),
        (f"json://[::1/{SECRET}", "not complete"),
    ],
)
def test_a_url_that_cannot_be_sent_to_is_refused_without_showing_it(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        checked(url, allow_private=False)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "parameters",
    [
        "?template=/etc/passwd", "?a=1;template=/etc/passwd", "?a=1#&template=/etc/passwd",
        "#?template=/etc/passwd", "/#/?template=/etc/passwd", "?%74emplate=/etc/passwd",
        "?TEMPLATE=/etc/passwd",
    ],
)  # fmt: skip
def test_a_parameter_that_reads_files_is_refused_wherever_apprise_finds_it(parameters: str) -> None:
    url = f"discord://4174216298/{SECRET}{parameters}"
    with pytest.raises(ValueError, match="read files"):
        checked(url, allow_private=True)
    assert failure_of(url, bus()).code == "invalid_url"


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", "tgram"),
        ("TGRAM://123456789:abcdefg_hijklmnop/12315544/", "tgram"),
        ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "slack"),
        ("mailtos://user:password@gmail.com", "mailtos"),
        ("ntfy://topic", "ntfy"),
    ],
)
def test_a_url_is_known_by_its_service(url: str, service: str) -> None:
    found = checked(url, allow_private=False)
    assert found.service == service
    assert found.url.lower().startswith(f"{service}://")
    assert "abcdefg" not in repr(found)


def test_every_service_is_one_of_apprise() -> None:
    known = {
        scheme
        for each in apprise.Apprise().details()["schemas"]
        for scheme in (*(each["protocols"] or ()), *(each["secure_protocols"] or ()))
    }
    assert known >= SERVICES


def test_apprise_is_not_imported_before_the_first_message() -> None:
    program = (
        "import django, sys; django.setup(); import streaming.tasks;"
        "sys.exit('apprise' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
