"""Sends errors to Sentry, where a DSN leads to one: those of the web server, workers and beat.

A task that fails is told by its dead letter (`streaming.dead_letters.reports`), which knows of
every end a task can come to. What Sentry's integration for Celery captures by itself is dropped,
so that one failure is one event. The integration is there for the beat entries that it watches.

Nothing here waits for Sentry. Events go out by a thread of the SDK's own, out of a bounded queue.
"""

from __future__ import annotations

import logging
import tomllib
from typing import Any, TypeVar, cast

import sentry_sdk
from celery.signals import beat_init
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration
from sentry_sdk.types import Event, Hint

from betting.config import CHECKOUT, SentryConfig
from streaming.core.letters import scrub_told

Told = TypeVar("Told")

SHUTDOWN_SECONDS = 2.0
"""How long a process that ends waits for its last events to go out, at most."""


def start(config: SentryConfig) -> None:
    """Have the errors of this process sent; without a DSN, do nothing.

    Integrations are listed one by one. Those that would record addresses and command lines, with
    the keys in them (HTTP clients, subprocesses, arguments of the process), are not among them.
    """
    if config.dsn is None:
        return
    sentry_sdk.init(
        dsn=config.dsn,
        environment=config.environment,
        release=config.release or version(),
        traces_sample_rate=config.traces_sample_rate,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(callback=_say_nothing),
            # Traces would cost every message; only beat's carry what its monitors go by.
            CeleryIntegration(propagate_traces=False, monitor_beat_tasks=True),
            DedupeIntegration(),
            DjangoIntegration(signals_spans=False),
            ExcepthookIntegration(),
            # Lines are what led to an event, and none themselves: what is wrong is raised as well.
            LoggingIntegration(level=logging.INFO, event_level=None),
            ThreadingIntegration(propagate_scope=False),
        ],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        auto_session_tracking=False,
        # Breadcrumbs are scrubbed with the event that takes them along: most never go anywhere.
        before_send=_before_send,
        before_send_transaction=_scrubbed,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    beat_init.connect(_send_monitors_along, dispatch_uid="betting.logs.sentry")


def version() -> str:
    """This checkout's release, as Sentry names one.

    >>> version().partition("@")[0]
    'hardline'
    """
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return f"{project['name']}@{project['version']}"


def _send_monitors_along(**_: Any) -> None:
    """In beat: let a message carry its monitor, so that its worker can say how it ended."""
    integration = sentry_sdk.get_client().get_integration(CeleryIntegration)
    assert integration is not None
    integration.propagate_traces = True


def _before_send(event: Event, hint: Hint) -> Event | None:
    return None if _is_of_a_task(event) else _scrubbed(event, hint)


def _is_of_a_task(event: Event) -> bool:
    """Whether the integration for Celery captured it: the task's letter says it as well."""
    exceptions = event.get("exception", {}).get("values", [])
    return any((one.get("mechanism") or {}).get("type") == "celery" for one in exceptions)


def _scrubbed(told: Told, _hint: dict[str, Any]) -> Told:
    return cast("Told", scrub_told(told))


def _say_nothing(_pending: int, _seconds: float) -> None:
    """The SDK would write to stderr that events are still pending."""
