"""REDIS_URL is that of three Sentinels, and the server that they name is killed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis, Sentinel
from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError

from betting.runtime.embedded.programs import redis_server
from betting.runtime.redis_clients import make_client
from tests.servers.conftest import RECORDING, Site, assert_is_the_published_replay
from tests.support.tcp_servers import free_port, wait_for

SERVICE, PASSWORD, SENTINEL_PASSWORD = "odds", "of-the-servers", "of-the-sentinels"

SERVER = """\
bind 127.0.0.1
port {port}
dir {folder}
save ""
appendonly no
requirepass {password}
masterauth {password}
repl-diskless-sync-delay 0
"""

SENTINEL = """\
bind 127.0.0.1
port {port}
dir {folder}
requirepass {sentinel_password}
sentinel sentinel-pass {sentinel_password}
sentinel monitor {service} 127.0.0.1 {master} 2
sentinel auth-pass {service} {password}
sentinel down-after-milliseconds {service} 1500
sentinel failover-timeout {service} 10000
"""


@dataclass
class Sentinels:
    """Three servers, of which one is the master, and three Sentinels.

    Attributes:
        ports: of the Sentinels.
        servers: the processes of the servers by their ports.
        killed: the port of the one that was killed.
    """

    ports: list[int]
    servers: dict[int, subprocess.Popen[bytes]]
    killed: int | None = None

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return (
            f"redis+sentinel://:{PASSWORD}@{places}/{SERVICE}/0"
            f"?sentinel_password={SENTINEL_PASSWORD}"
        )

    def master(self) -> int | None:
        """The port of the server that the Sentinels name; none while they vote."""
        places = [("127.0.0.1", port) for port in self.ports]
        manager = Sentinel(places, sentinel_kwargs={"password": SENTINEL_PASSWORD})  # type: ignore[no-untyped-call]
        try:
            port: int = manager.discover_master(SERVICE)[1]  # type: ignore[no-untyped-call]
        except MasterNotFoundError:
            return None
        return port

    def kill_master(self) -> None:
        """Kill that server."""
        port = self.master()
        assert port is not None
        self.servers[port].kill()
        self.killed = port

    def have_voted(self) -> bool:
        """Return True if they name another server than the one that was killed."""
        return self.master() not in {None, self.killed}

    def are_ready(self) -> bool:
        """Return True if each Sentinel knows the two others and both replicas."""
        try:
            return all(self._knows(port) for port in self.ports)
        except RedisError:
            return False

    def _knows(self, port: int) -> bool:
        with Redis(port=port, password=SENTINEL_PASSWORD, decode_responses=True) as client:
            (state,) = client.sentinel_masters().values()
            replicas = client.sentinel_slaves(SERVICE)
        are_linked = all(each["flags"] == "slave" for each in replicas)
        return state["num-other-sentinels"] == 2 and len(replicas) == 2 and are_linked


@contextmanager
def started(folder: Path, text: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Valkey of a configuration; Sentinels rewrite theirs."""
    folder.mkdir()
    (folder / "valkey.conf").write_text(text)
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen(
            [redis_server(None), folder / "valkey.conf", *options], stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def sentinels(directory: Path) -> Iterator[Sentinels]:
    with ExitStack() as stack:
        found = Sentinels([], {})
        master = free_port()
        for port in (master, free_port(), free_port()):
            folder = directory / f"server-{port}"
            text = SERVER.format(port=port, folder=folder, password=PASSWORD)
            if port != master:
                text += f"replicaof 127.0.0.1 {master}\n"
            found.servers[port] = stack.enter_context(started(folder, text))
        for _ in range(3):
            port = free_port()
            folder = directory / f"sentinel-{port}"
            text = SENTINEL.format(
                port=port,
                folder=folder,
                master=master,
                service=SERVICE,
                password=PASSWORD,
                sentinel_password=SENTINEL_PASSWORD,
            )
            stack.enter_context(started(folder, text, "--sentinel"))
            found.ports.append(port)
        wait_for(found.are_ready, "the Sentinels", 30)
        yield found


def test_a_replay_is_exact_though_the_master_is_killed(site: Site, sentinels: Sentinels) -> None:
    site.environ["REDIS_URL"] = sentinels.url
    site.do("migrate")
    polls = "SELECT count(*) FROM streaming_pollrun"

    # 81 s of prices in 8: the master is gone in the middle of them.
    with site.running("run", "--feed", RECORDING, "--until-idle", "--json", "--speed", "10") as run:
        wait_for(lambda: site.ask(polls)[0][0] >= 8, "some answers", 120)
        sentinels.kill_master()
        assert run.poll() is None
        run.wait(200)

    assert sentinels.have_voted()
    assert_is_the_published_replay(site, site.output())


def test_clients_follow_the_master_and_keep_its_password(sentinels: Sentinels) -> None:
    with make_client(sentinels.url, socket_timeout=2) as client:
        client.set("a", 1)
        assert client.wait(2, 2000) == 2
        sentinels.kill_master()
        wait_for(sentinels.have_voted, "another master", 30)
        assert client.get("a") == b"1"
        assert client.set("a", 2)
