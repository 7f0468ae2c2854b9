"""Sending a message through a service of Apprise, within our own bounds.

Apprise knows more than a hundred services, among them some that run programs, write to this machine
or read its files. Those of `SERVICES` speak HTTP or SMTP, and nothing else is sent through. The
library is imported by the first message: it takes a moment that no other process should pay.

A URL holds a token or a password. Its scheme is the only part of it that anything here logs, raises
or shows.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from betting.config import BusConfig
from streaming.core.addresses import is_private_literal, is_public
from streaming.core.failures import PermanentFailure, ProviderFailure, TransientFailure
from streaming.core.message_parts import Part, within
from streaming.notifications.webhooks import CONNECT_TIMEOUT_SECONDS, PRIVATE_SETTING, TRANSIENT

if TYPE_CHECKING:
    from apprise import AppriseAsset, NotifyBase

# fmt: off
SERVICES = frozenset({
    # chats
    "tgram", "discord", "slack", "workflows", "gchat", "mmost", "mmosts", "rocket", "rockets",
    "matrix", "matrixs", "zulip", "webex", "wxteams", "line", "signal", "signals", "whatsapp",
    "threema", "revolt", "feishu", "lark", "dingtalk", "wecombot", "nctalk", "nctalks", "synology",
    "synologys", "mastodon", "mastodons",
    # telephones
    "ntfy", "ntfys", "gotify", "gotifys", "pover", "pbul", "push", "bark", "barks", "prowl", "join",
    "pushy", "pushdeer", "pushdeers", "ifttt", "hassio", "hassios", "twilio", "vonage", "msgbird",
    # people on duty
    "pagerduty", "opsgenie", "betterstack", "ilert",
    # e-mail
    "mailto", "mailtos", "mailgun", "sendgrid", "brevo", "postmark", "smtp2go",
    # one's own servers
    "apprise", "apprises", "json", "jsons", "xml", "xmls", "form", "forms",
})
# fmt: on
"""The schemes that messages are sent through: each speaks HTTP or SMTP."""

_READS_FILES = re.compile(r"template|keyfile|pgp|pem|attach|smime|cert|config", re.IGNORECASE)
"""Parameters that make a service read files of this machine."""

RESERVED_CHARS = 20
"""The characters of a message that Apprise may need to join its title and its text."""

_STATUS = re.compile(r"error\s?=\s?(\d{3})\b")
_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """A URL that messages can be sent to.

    Attributes:
        service: its scheme, which is all that is shown of it.
        url: the whole of it.
    """

    service: str
    url: str = field(repr=False)


class _Call(threading.local):
    """The state of the message that a thread sends.

    Attributes:
        is_public_only: whether connections to addresses off the public internet are refused.
        was_refused: whether one was.
        lines: what Apprise logged of it, which may hold secrets and is never kept.
    """

    is_public_only = False
    was_refused = False
    lines: Sequence[str] = ()


_call = _Call()


class _NotPublicError(OSError):
    """A refused address."""


class _Collector(logging.Handler):
    """A handler that hands Apprise's lines to the call that they are about, and to nobody else."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line until the call has ended."""
        _call.lines = (*_call.lines, record.getMessage())


def checked(url: str, *, allow_private: bool) -> ServiceUrl:
    """Return a URL that a person entered; a web address of a service is turned into its URL.

    Args:
        url: as entered.
        allow_private: whether it may lead to an address off the public internet.

    Raises:
        ValueError: no message can be sent to it; says why, without a part of it.
    """
    url = url.strip()
    service, separator, _ = url.partition("://")
    service = service.lower()
    if not separator:
        raise ValueError("Enter an Apprise URL, e.g. tgram://TOKEN/CHAT or mailtos://…")
    is_web = service in {"http", "https"}
    if not is_web and service not in SERVICES:
        raise ValueError("Alerts are not sent through this kind of URL; see docs/alerts.md.")
    plugin = _plugin(url)
    if plugin is None:
        raise ValueError("The URL is not complete, or Apprise does not know it.")
    if is_web:
        url = str(plugin.url())  # type: ignore[no-untyped-call]  # as Apprise ships it
        service = url.partition("://")[0]
        if service not in SERVICES:
            raise ValueError("Alerts are not sent through this service; see docs/alerts.md.")
    if not allow_private and is_private_literal(getattr(plugin, "host", None) or "public.example"):
        raise ValueError(
            "Enter an address on the public internet, or set "
            f"{PRIVATE_SETTING}=true if the host is yours."
        )
    return ServiceUrl(service, url)


def send(url: str, title: str, parts: Sequence[Part], config: BusConfig) -> None:
    """Send one message, no longer than the service takes.

    It lasts as long as the service does: a deadline is the caller's.

    Args:
        url: the service, and where to.
        title: the message's first line, or an e-mail's subject.
        parts: its text.
        config: the deadlines, and whether private addresses are allowed.

    Raises:
        TransientFailure: ``connect``, ``refused``, or ``http_<status>`` for 5xx, 408, 425 and 429.
        PermanentFailure: ``invalid_url``, ``forbidden_address``, or ``http_<status>``.
    """
    _prepare()
    if url.partition("://")[0].lower() not in SERVICES:
        raise _invalid()
    _call.lines, _call.was_refused = (), False
    _call.is_public_only = not config.allow_private_networks
    try:
        is_sent = _notify(url, title, parts, config.total_timeout_seconds)
        failure = None if is_sent else _failure(_call.lines, was_refused=_call.was_refused)
    finally:
        _call.lines, _call.is_public_only = (), False
    if failure is not None:
        raise failure


def _notify(url: str, title: str, parts: Sequence[Part], seconds: float) -> bool:
    plugin = None
    with suppress(ValueError):  # stored before its parameters were refused
        plugin = _plugin(url)
    if plugin is None:
        raise _invalid()
    plugin.socket_connect_timeout = CONNECT_TIMEOUT_SECONDS
    plugin.socket_read_timeout = seconds
    # Most services count the title as a part of the text.
    body = within(parts, max(plugin.body_maxlen - len(title) - RESERVED_CHARS, 1))
    try:
        return bool(plugin.notify(body=body, title=title, overflow="truncate"))
    except Exception:  # noqa: BLE001 - of a service; its text may hold the URL
        return False


def _plugin(url: str) -> NotifyBase | None:
    """Return the service of a URL; None if the URL is not complete or not known.

    Parameters are judged as Apprise has read them, and the service is made of what was judged:
    Apprise finds parameters in places where no other parser looks, as behind a `;` or a `#`.

    Raises:
        ValueError: a parameter would make the service read files of this machine.
    """
    _prepare()
    from apprise import Apprise  # noqa: PLC0415 - see the module
    from apprise.plugins import url_to_dict  # noqa: PLC0415 - see the module

    try:
        parts = url_to_dict(url)  # type: ignore[no-untyped-call]  # as Apprise ships it
    except Exception:  # noqa: BLE001 - of a service, on some URLs that are not complete
        return None
    if parts is None:
        return None
    if any(_READS_FILES.search(name) for name in parts["qsd"]):
        raise ValueError("Leave out parameters that read files, e.g. template.")
    found: NotifyBase | None = Apprise.instantiate(parts, asset=_asset())
    return found


@cache
def _asset() -> AppriseAsset:
    """Return the settings of all services: nothing is read from a disk or written to one."""
    from apprise import AppriseAsset  # noqa: PLC0415 - see the module

    return AppriseAsset(
        app_id="Hardline",
        app_desc="Hardline alerts",
        app_url="",
        async_mode=False,
        storage_mode="memory",
        pgp_autogen=False,
        pem_autogen=False,
        http_redirects=False,
        image_path_mask=False,
        secure_logging=True,
    )


@cache
def _prepare() -> None:
    """Keep Apprise's logs from everybody, and watch the connections of its services."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logger.addHandler(_Collector())
    # It logs the paths of requests, which hold tokens.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse to connect to what is not public, at the last moment: no look-up can change it.

    Services connect by libraries of their own. Python's audit events are the place that all of
    their connections pass.

    Raises:
        _NotPublicError: this thread sends a message, and the address is not public.
    """
    if event in _CONNECTS and _call.is_public_only and not _is_allowed(arguments[1]):
        _call.was_refused = True
        raise _NotPublicError("not a public address")


def _is_allowed(address: object) -> bool:
    """Return True for a public address; a socket's path and a name without a look-up are none."""
    try:
        return isinstance(address, tuple) and is_public(str(address[0]))
    except ValueError:
        return False


def _invalid() -> PermanentFailure:
    return PermanentFailure(
        "invalid_url", "The alert's URL is not valid.", "Enter its Apprise URL once more."
    )


def _failure(lines: Sequence[str], *, was_refused: bool) -> ProviderFailure:
    """Return why a message was not sent: a status or a kind, and nothing else of the lines."""
    if was_refused:
        return PermanentFailure(
            "forbidden_address",
            "The service's host is not on the public internet.",
            f"Set {PRIVATE_SETTING}=true if it is one of your own.",
        )
    if found := next(filter(None, map(_STATUS.search, reversed(lines))), None):
        status = int(found[1])
        code, message = f"http_{status}", f"The service answered {status}."
        if status >= 500 or status in TRANSIENT:
            return TransientFailure(code, message)
        return PermanentFailure(code, message, "Check the token and the recipient in the URL.")
    if any("connection error" in line.lower() for line in lines):
        return TransientFailure("connect", "The service could not be reached.")
    return TransientFailure("refused", "The service did not take the message.")
