"""What workers, beat's scheduler and the web server send to Sentry, and what they keep back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import current_app
from redis import Redis

from betting.config import Config
from betting.logs.sentry import version
from betting.runtime.supervisor import Program
from streaming.models import DeadLetter
from tests.integration.conftest import CHECKOUT, environment_of_workers, running, wait_until
from tests.support.sentry_project import SentryProject, running_project

QUEUE = "valuation"
SECRET = "5ecre7c0ffee5ecre7c0ffee"
#: Tasks that fail, each noticed by another process or at another place.
FAILING = (
    "tests.raises",
    "tests.retries",
    "tests.dies_acknowledged",
    "tests.fails_with_its_hook",
    "tests.tells_a_secret",
    "tests.nobody_knows",
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[SentryProject]:
    """A project that processes which are started from now on send to."""
    with running_project() as project:
        monkeypatch.setenv("HARDLINE_SENTRY_DSN", project.dsn)
        monkeypatch.setenv("HARDLINE_SENTRY_ENVIRONMENT", "tests")
        monkeypatch.setenv("HARDLINE_LOG_LEVEL", "INFO")
        yield project


def worker(*options: str, queues: str = QUEUE) -> list[Program]:
    """A worker that knows the tasks that fail."""
    command = (
        sys.executable, "-m", "betting.celery_process", "worker",
        "--hostname", "failing@tests", "--queues", queues,
        "--include", "tests.integration.failing_tasks", "--without-gossip", "--without-mingle",
        *options,
    )  # fmt: skip
    return [Program("failing", command, CHECKOUT, {})]


def send(task: str, folder: Path, name: str = "") -> None:
    arguments = [str(folder), name or task]
    current_app.send_task(task, args=arguments, queue=QUEUE, ignore_result=True)


def run(script: str, servers: Config) -> str:
    """A process of Hardline's, as it is configured for the workers; what it writes to stdout."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        env={**os.environ, **environment_of_workers(servers)},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_each_failure_is_one_event_which_its_letter_names_and_no_secret_leaves(
    pool: str,
    project: SentryProject,
    servers: Config,
    redis: Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TESTS_SECRET", SECRET)
    # What kills its process kills all of a pool of threads.
    failing = [task for task in FAILING if pool == "prefork" or "dies" not in task]
    with running(
        worker("--pool", pool, "--concurrency", "2"), servers, tmp_path / "logs", monkeypatch
    ):
        send("tests.works_at_the_second_try", tmp_path, "second")
        redis.lpush(QUEUE, "{ not json")
        for task in failing:
            send(task, tmp_path)
        ends = len(failing) + 1
        wait_until(lambda: DeadLetter.objects.count() >= ends, "a letter for each failure")
        wait_until(lambda: len(project.items("event")) >= ends, "an event for each letter")
        wait_until((tmp_path / "second").exists, "the task that works at the second try")

    events = {event["event_id"]: event for event in project.items("event")}
    letters = {letter.sentry_event_id: letter for letter in DeadLetter.objects.all()}
    assert events.keys() == letters.keys()
    assert len(project.items("event")) == len(events) == ends
    for event_id, letter in letters.items():
        event = events[event_id]
        assert event["fingerprint"] == [letter.fingerprint]
        told = [event["tags"].get(name, "") for name in ("kind", "task", "queue", "worker")]
        assert told == [letter.kind, letter.task, letter.queue, letter.worker]
        assert event["exception"]["values"][-1]["value"] == letter.message
        assert (event["environment"], event["release"]) == ("tests", version())
    raised = events[DeadLetter.objects.get(task="tests.raises").sentry_event_id]
    frame = raised["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert (frame["filename"], frame["function"]) == ("integration/failing_tasks.py", "raises")
    assert SECRET not in "".join(project.envelopes)


def test_work_and_letters_go_on_while_sentry_answers_nothing(
    project: SentryProject,
    servers: Config,
    redis: Redis,  # noqa: ARG001 - asks for a fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project.hangs = True
    with running(worker("--concurrency", "1"), servers, tmp_path / "logs", monkeypatch):
        for number in range(20):
            send("tests.raises", tmp_path, f"task-{number}")
        send("tests.works", tmp_path, "worked")
        wait_until(lambda: DeadLetter.objects.count() == 20, "the letters")
        wait_until((tmp_path / "worked").exists, "the task that works")
        wait_until(lambda: len(project.envelopes) == 1, "the first event")
        assert not project.released.is_set(), "which is still without an answer"


def test_a_beat_entry_is_watched_from_its_sending_to_its_end(
    project: SentryProject,
    servers: Config,
    redis: Redis,  # noqa: ARG001 - asks for a fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = worker("--pool", "threads", queues="poll")
    with running(programs, servers, tmp_path / "logs", monkeypatch):
        run(APPLY_ENTRIES, servers)
        wait_until(lambda: len(project.items("check_in")) >= 2, "the end of the entry")
    begun, ended = project.items("check_in")
    assert (begun["monitor_slug"], begun["status"]) == ("prune", "in_progress")
    assert (ended["monitor_slug"], ended["status"]) == ("prune", "ok")
    assert begun["check_in_id"] == ended["check_in_id"]
    assert begun["monitor_config"]["schedule"]["value"] == 1


APPLY_ENTRIES = """
from betting.celery import app
from celery.beat import Scheduler
from celery.signals import beat_init
app.loader.init_worker()
beat_init.send(sender=None)
scheduler = Scheduler(app=app)
for entry in ("store-spooled-letters", "prune"):
    scheduler.apply_entry(scheduler.schedule[entry])
"""


def test_a_page_that_fails_is_one_event_without_its_secrets(
    project: SentryProject, servers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTS_SECRET", SECRET)
    *_, status = run(ASK_A_BROKEN_PAGE, servers).split()
    assert status == "500"
    (event,) = project.items("event")
    assert event["exception"]["values"][-1]["value"] == "no page: apiKey=•••"
    assert SECRET not in "".join(project.envelopes)


ASK_A_BROKEN_PAGE = """
import os
from io import BytesIO
os.environ["DJANGO_SETTINGS_MODULE"] = "betting.settings"
from betting.web.wsgi import application
from django.conf import settings
settings.ROOT_URLCONF = "tests.integration.broken_urls"
secret = os.environ["TESTS_SECRET"]
environ = {
    "REQUEST_METHOD": "GET", "PATH_INFO": "/broken/", "QUERY_STRING": "token=" + secret,
    "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http",
    "HTTP_AUTHORIZATION": "Bearer " + secret, "HTTP_COOKIE": "sessionid=" + secret,
    "wsgi.input": BytesIO(),
}
for _ in application(environ, lambda status, headers: print(status.split()[0])):
    pass
"""


def test_without_a_dsn_nothing_is_started_whatever_else_the_environment_says(
    servers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_project() as project:
        monkeypatch.setenv("SENTRY_DSN", project.dsn)
        assert run(ASK_WHAT_IS_STARTED, servers).split() == ["False", "False"]
        assert project.envelopes == []


ASK_WHAT_IS_STARTED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "betting.settings"
import django
django.setup()
import sentry_sdk
from streaming.dead_letters.capture import report, with_event_id
from streaming.core.letters import Kind, Letter
report(with_event_id(Letter(kind=Kind.EXCEPTION, id="0" * 32)))
print(sentry_sdk.is_initialized(), "sentry_sdk.integrations.celery" in sys.modules)
"""
