"""Every command of every document, typed as it is written, beside a live run.

A document's commands come in their order, and what one sets or makes, the next one finds. They run
in a directory that has what the checkout has, so that they leave nothing behind in it.
"""

from __future__ import annotations

import bz2
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError

from betting.config import CHECKOUT, load
from tests.integration.conftest import wait_until
from tests.integration.forks import manage_forks
from tests.integration.installation import Installation
from tests.integration.live_run import (
    as_installed,
    free_ports,
    running,
    wait_for_edges,
    wait_for_the_start,
)
from tests.integration.reader import ENDS, Reader
from tests.support.cluster import lay
from tests.support.documents import (
    DOCUMENTS,
    OTHERS,
    PROMPT,
    SCRIPT,
    TRANSCRIPT,
    blocks,
    commands,
    name_of,
)
from tests.support.receiver import running_receiver

pytestmark = pytest.mark.timeout(300)

NOT_RUN = {
    ".venv/bin/python manage.py alerts add": (
        "asks for the URL of a service; test_alerts_command.py has one of this machine"
    ),
    ".venv/bin/python manage.py alerts test": "sends to that service",
    ".venv/bin/python manage.py benchmark": (
        "minutes of all processors; test_benchmark.py has a small one"
    ),
    ".venv/bin/python manage.py chaos": "minutes; test_chaos.py has two seeds",
    ".venv/bin/python manage.py baseline ab --simulate": (
        "four runs of a minute each; test_baseline.py has a shorter one, of a recording"
    ),
    "docker build": "needs a daemon; `make image-test` builds the image without one",
    "docker compose": "the same; tests/deployment/test_compose.py reads the file",
    "docker/make-secrets": "writes into the checkout; test_compose.py runs it elsewhere",
    "cat docker/secrets": "shows what it wrote",
    "sudo": "changes the machine; test_systemd.py has the units verified",
}
"""How commands begin that are not run here, and why."""

WITH_COMMANDS = [document for document in DOCUMENTS if commands(document)]
#: The last one stops the servers.
WITH_COMMANDS.sort(key=lambda document: document.name == "configuration.md")

WRITTEN = [command for document in WITH_COMMANDS for command in commands(document)]
IN_PASSING = re.compile(r"`(?:\.venv/bin/python )?manage\.py (\w[^`|\[]*)`")
SETTINGS = re.compile(r"((?:\w+=\S+ )+)make run")
LIKE_A_COMMAND = re.compile(r"^(?:\$|curl|make|python|\.venv/bin/python|manage\.py) ", re.MULTILINE)

TRACE = re.compile(r'"action":"recompute".*"trace_id":"(\w+)"')
A_TRACE = "139dc57a4e544fe08b600cd55ab2a264"
BETFAIR = b"""\
{"op":"mcm","pt":1767290400000,"mc":[{"id":"1.200000001","img":true,"rc":[]}]}
"""


def like_the_checkout(directory: Path) -> Path:
    """Make a directory with what the documents' commands find in the checkout.

    The code is a copy, which commands may add to; `manage.py` is the checkout's and runs its code.
    """
    directory.mkdir()
    for name in (
        "Makefile", "manage.py", "pyproject.toml", "requirements.txt", "requirements-external.txt",
        "requirements-tracing.txt", "requirements-dev.txt",
    ):  # fmt: skip
        (directory / name).symlink_to(CHECKOUT / name)
    (directory / ".venv").symlink_to(sys.prefix)
    for name in ("betting", "streaming", "valuation", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / name, directory / name, ignore=ignored)
    for name in ("1.200000001.bz2", "1.200000002.bz2"):
        (directory / name).write_bytes(bz2.compress(BETFAIR))
    # curl says with which status it was answered.
    (directory / ".curlrc").write_text(r'write-out = "%{stderr}\n%{http_code}\n"')
    return directory


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, cluster: Path) -> Iterator[Reader]:
    """A reader beside a live run, whose board has edges."""
    here = tmp_path_factory.mktemp("documents")
    installation, port = Installation(here / "home"), free_ports(4)
    as_installed(installation)
    lay(cluster, installation.config)
    installation.environ["HARDLINE_BUS_ALLOW_PRIVATE_NETWORKS"] = "true"  # our receiver
    directory, told = like_the_checkout(here / "checkout"), here / "told"
    environ = {
        **installation.environ,
        "CURL_HOME": str(directory),
        "MAKEFLAGS": "--dry-run",  # the targets are whole runs, the whole suite, …
    }
    try:
        with (
            manage_forks(environ) as forks,
            running_receiver() as receiver,
            running(installation, port, told) as run,
        ):
            wait_for_the_start(run, told)
            substitutes = {
                ":8000": f":{port}",
                "--port 8099": f"--port {port + 3}",
                ":8099": f":{port + 3}",
                "https://desk.example/hooks/odds": receiver.url,
                "--seconds 60": "--seconds 1",
            }
            reader = Reader(directory, environ, substitutes, forks)
            rows = "from tests.integration.documented_rows import make; make()"
            made = reader.manages(["shell", "--no-imports", "-c", rows])
            assert made.status == 0, made
            wait_for_edges(installation)
            substitutes[A_TRACE] = trace_of_a_recompute(here / "home" / "logs")
            yield reader
    finally:
        installation.remove()


def trace_of_a_recompute(logs: Path) -> str:
    """One that is logged; its line may come after the edges."""

    def traces() -> list[str]:
        return TRACE.findall((logs / "worker-value.log").read_text("utf-8"))

    wait_until(lambda: traces() != [], "a recompute in the log")
    return traces()[0]


def fault_of(named: str) -> str:
    """What is wrong with a command; it may be named without all that it needs."""
    name, *words = shlex.split(named)
    app = get_commands().get(name)
    if app is None:
        return f"there is no {name}"
    try:
        load_command_class(app, name).create_parser("manage.py", name).parse_args(words)
    except CommandError as error:
        is_short = re.search("are required:|expected at least one", str(error))
        return "" if is_short else f"{named}: {error}"
    return ""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("document", WITH_COMMANDS, ids=name_of)
def test_the_commands_of_a_document_do_what_it_says(reader: Reader, document: Path) -> None:
    try:
        for command in commands(document):
            if not command.text.startswith(tuple(NOT_RUN)):
                print(command.place, command.text)
                reader.types(command)
    finally:
        reader.leaves()


@pytest.mark.parametrize("beginning", [*NOT_RUN, *ENDS])
def test_an_exception_is_of_a_command_that_a_document_has(beginning: str) -> None:
    assert any(command.text.startswith(beginning) for command in WRITTEN)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_are_only_in_blocks_that_are_run(document: Path) -> None:
    for block in blocks(document):
        assert block.language in {SCRIPT, TRANSCRIPT, *OTHERS}
        if block.language in OTHERS:
            assert not LIKE_A_COMMAND.search(block.text)
        assert (PROMPT in block.text) == (block.language == TRANSCRIPT)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_a_command_that_is_named_in_passing_exists_with_its_options(document: Path) -> None:
    for named in IN_PASSING.findall(document.read_text("utf-8")):
        assert fault_of(named.replace(" ID", " 17")) == ""


def test_the_settings_before_a_run_are_settings() -> None:
    given = [found[1].split() for c in WRITTEN if (found := SETTINGS.fullmatch(c.text))]
    assert given
    for settings in given:
        load(dict(setting.split("=", 1) for setting in settings))
