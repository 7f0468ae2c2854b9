"""Reports of errors to Sentry, if a DSN is set: those of the web server, workers and beat.

The dead letter of a failed task reports it (`streaming.dead_letters.capture`), as it covers every
way in which a task can fail. Errors that Sentry's integration for Celery captures are dropped, so
that one failure is one event. The integration is used to monitor the beat entries only.

Nothing here waits for Sentry. A thread of the SDK sends events from a bounded queue.
"""

from __future__ import annotations

import logging
import os
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
from streaming.core.redaction import scrub_for_display

Told = TypeVar("Told")

SHUTDOWN_SECONDS = 2.0
"""The longest time that a process waits at its end for its last events to be sent."""


def start(config: SentryConfig) -> None:
    """Start sending the errors of this process; without a DSN, do nothing.

    Integrations are listed one by one. Those that would record addresses and command lines, with
    the keys in them (HTTP clients, subprocesses, arguments of the process), are not among them.
    """
    if config.dsn is None:
        return
    sentry_sdk.init(
        dsn=config.dsn,
        environment=config.environment,
        release=os.environ.get("SENTRY_RELEASE", "").strip() or version(),
        traces_sample_rate=config.traces_sample_rate,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(callback=_say_nothing),
            # Traces would add headers to every message; only beat's need them, for its monitors.
            CeleryIntegration(propagate_traces=False, monitor_beat_tasks=True),
            DedupeIntegration(),
            DjangoIntegration(signals_spans=False),
            ExcepthookIntegration(),
            # Log lines are breadcrumbs, not events: every error they report is raised as well.
            LoggingIntegration(level=logging.INFO, event_level=None),
            ThreadingIntegration(propagate_scope=False),
        ],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        auto_session_tracking=False,
        # Breadcrumbs are scrubbed with their event, as most are never sent.
        before_send=_before_send,
        before_send_transaction=_scrubbed,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    beat_init.connect(_send_monitors_along, dispatch_uid="betting.logs.sentry")


def version() -> str:
    """Return this checkout's release, in Sentry's form.

    >>> version().partition("@")[0]
    'hardline'
    """
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return f"{project['name']}@{project['version']}"


def _send_monitors_along(**_: Any) -> None:
    """Let beat's messages carry their monitor, so that the worker can report the outcome."""
    integration = sentry_sdk.get_client().get_integration(CeleryIntegration)
    assert integration is not None
    integration.propagate_traces = True


def _before_send(event: Event, hint: Hint) -> Event | None:
    return None if _is_of_a_task(event) else _scrubbed(event, hint)


def _is_of_a_task(event: Event) -> bool:
    """Return True if the Celery integration captured it; the task's letter reports it too."""
    exceptions = event.get("exception", {}).get("values", [])
    return any((one.get("mechanism") or {}).get("type") == "celery" for one in exceptions)


def _scrubbed(told: Told, _hint: dict[str, Any]) -> Told:
    return cast("Told", scrub_for_display(told))


def _say_nothing(_pending: int, _seconds: float) -> None:
    """Write nothing, where the SDK would report pending events on stderr."""
