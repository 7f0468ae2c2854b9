"""BROKER_URL is that of a RabbitMQ, which carries Celery's messages in quorum queues."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from betting.runtime.embedded.account import server_account
from tests.integration.live_run import free_ports
from tests.servers.conftest import RECORDING, Site, assert_is_the_published_replay, require
from tests.support.tcp_servers import free_port, wait_for

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
START_SECONDS = 60.0

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = hardline
default_pass = {password}
default_vhost = odds
log.console = true
log.file = false
"""


@dataclass
class RabbitMQ:
    """A node with a state of its own.

    Attributes:
        folder: its state.
        port: where it listens.
        password: of its user.
        environ: the variables that keep it apart from the system's own.
        process: its latest process.
    """

    folder: Path
    port: int
    password: str
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://hardline:{self.password}@127.0.0.1:{self.port}/odds"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        account = server_account()
        with (self.folder.parent / "rabbitmq.log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAMS / "rabbitmq-server"],
                env=self.environ,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                user=account.uid,
                group=account.gid,
                extra_groups=[],
                start_new_session=True,
            )
        wait_for(self.answers, "RabbitMQ", START_SECONDS)

    def kill(self) -> None:
        """Kill it, with the processes that it has started."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def answers(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=1) as connection:
                connection.connect()
        except OSError:
            return False
        return True


@pytest.fixture
def rabbitmq(directory: Path) -> Iterator[RabbitMQ]:
    require("rabbitmq-server", "rabbitmq-server", "epmd")
    account = server_account()
    folder, port, password = directory / "rabbitmq", free_port(), secrets.token_hex(12)
    folder.mkdir(mode=0o700)
    (folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=port, password=password))
    (folder / "plugins").write_text("[].")
    for path in (folder, *folder.iterdir()):
        os.chown(path, account.uid, account.gid)
    epmd = {"ERL_EPMD_PORT": str(free_port()), "ERL_EPMD_ADDRESS": "127.0.0.1"}
    environ = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "RABBITMQ_NODENAME": f"hardline-{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2",
        **epmd,
    }
    node = RabbitMQ(folder, port, password, environ)
    # The node would start one that outlives it.
    with subprocess.Popen(
        ["epmd"], env={"PATH": os.defpath, **epmd}, user=account.uid, group=account.gid
    ) as names:
        try:
            node.start()
            yield node
        finally:
            node.kill()
            names.kill()


@pytest.fixture
def carried(site: Site, rabbitmq: RabbitMQ) -> Site:
    site.environ["BROKER_URL"] = rabbitmq.url
    return site


def test_a_replay_over_rabbitmq_has_exact_counts(carried: Site, rabbitmq: RabbitMQ) -> None:
    output = carried.do("run", "--feed", RECORDING, "--until-idle", "--json")

    assert_is_the_published_replay(carried, output)
    with Connection(rabbitmq.url) as connection:
        channel: Any = connection.default_channel
        for name in ("poll", "coalesce", "valuation", "major", "deliver"):
            assert channel.queue_declare(name, passive=True).message_count == 0


def test_a_replay_is_exact_though_rabbitmq_is_killed(carried: Site, rabbitmq: RabbitMQ) -> None:
    carried.do("migrate")
    polls = "SELECT count(*) FROM streaming_pollrun"

    with carried.running(
        "run", "--feed", RECORDING, "--until-idle", "--json", "--speed", "10"
    ) as run:
        wait_for(lambda: carried.ask(polls)[0][0] >= 8, "some answers", 120)
        rabbitmq.kill()
        rabbitmq.start()
        run.wait(200)

    assert_is_the_published_replay(carried, carried.output())


def test_polls_wait_in_rabbitmq_until_they_are_due(carried: Site) -> None:
    answered = "SELECT count(*) FROM streaming_pollrun WHERE outcome = 'ok'"
    carried.do("migrate")

    with carried.running("run", "--port", str(free_ports(3))):
        wait_for(lambda: carried.ask(answered)[0][0] >= 20, "twenty answers", 120)

    assert carried.ask("SELECT outcome FROM streaming_pollrun WHERE outcome <> 'ok'") == []
    assert carried.ask("SELECT message FROM streaming_deadletter") == []
    logged = "".join(path.read_text() for path in (carried.home / "logs").glob("*.log"))
    assert "may block the worker process" not in logged


SEND_TO_A_NODE_THAT_STANDS_STILL = """
import os, signal, time
from kombu.exceptions import OperationalError
from streaming.tasks import sweep
sweep.delay()  # connects
os.killpg({group}, signal.SIGSTOP)
begun = time.monotonic()
try:
    sweep.delay()
except OperationalError as error:
    print(time.monotonic() - begun)
finally:
    os.killpg({group}, signal.SIGCONT)
"""


def test_sending_to_a_node_that_stands_still_ends(carried: Site, rabbitmq: RabbitMQ) -> None:
    carried.do("migrate")
    assert rabbitmq.process is not None

    script = SEND_TO_A_NODE_THAT_STANDS_STILL.format(group=rabbitmq.process.pid)
    seconds = float(carried.do("shell", "-c", script).splitlines()[-1])

    print(f"an error after {seconds:.1f} s")
    assert seconds < 30
