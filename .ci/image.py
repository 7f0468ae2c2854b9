"""Build the image with buildah, and run every role of it against servers over TCP.

Then build it with TRACING=true, and run the roles that work once more: their spans have to come to
a collector, and they have to end without it.

`make image-test` runs it, as root on Debian. It needs `buildah`, and `debootstrap` unless
BASE_IMAGE names a base that can be pulled; SUITE is the release of Debian, by default trixie, whose
Python is 3.13 (bookworm's is 3.11). It says what is missing, and then exits with 2.
Everything that it makes is under one directory (HARDLINE_IMAGE_TEST, by default below /var/tmp), of
which the base is kept for the next time.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from tests.support.collector import Collector, running_collector
from tests.support.tcp_servers import free_port, tcp_postgres, tcp_valkey

ROOT = Path(__file__).resolve().parent.parent
STATE = Path(os.environ.pop("HARDLINE_IMAGE_TEST", "/var/tmp/hardline-image-test"))
SUITE = os.environ.get("SUITE", "trixie")
IMAGE, BASE = "localhost/hardline-test", f"localhost/hardline-test-base-{SUITE}"
TRACING_IMAGE = f"{IMAGE}-tracing"
UID = 10001
ROLES = (
    "web", "simulator", "worker-io", "worker-value", "worker-major", "worker-deliver", "beat",
    "flower",
)  # fmt: skip
TRACED = ("web", "simulator", "worker-io", "worker-value", "worker-major", "beat")
"""The roles that the image with traces is run in."""
SPANS = (
    "GET", "apply_async/streaming.tick", "streaming.cycle", "streaming.ingest",
    "valuation.recompute",
)  # fmt: skip
"""How the names of spans begin that come of web, beat and the workers."""
TABLES = ("streaming_pollrun", "valuation_fairprice", "valuation_edge")
DRAIN_SECONDS = 30.0
ISOLATION = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
CERTIFICATES = Path("/etc/ssl/certs")


def step(text: str) -> None:
    """Print a line that stays."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def fail(text: str) -> None:
    """End the test."""
    raise SystemExit(f"FAILED: {text}")


def wait_until(condition: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Wait for something, for at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fail(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


def missing() -> list[str]:
    """Return what this machine lacks."""
    lacks = []
    if os.geteuid() != 0:
        lacks.append("root: buildah's chroot isolation needs it")
    if shutil.which("buildah") is None:
        lacks.append("buildah (Debian: apt-get install --no-install-recommends buildah crun)")
    if "BASE_IMAGE" not in os.environ and shutil.which("debootstrap") is None:
        lacks.append("debootstrap (Debian: apt-get install debootstrap), or set BASE_IMAGE")
    return lacks


def buildah(*arguments: str, quiet: bool = True) -> str:
    """Run buildah on the test's own store, at a low priority; return what it prints."""
    store = ["--root", str(STATE / "store"), "--runroot", str(STATE / "run")]
    done = subprocess.run(
        ["nice", "-n", "10", "buildah", *store, *arguments],
        env={**os.environ, **ISOLATION},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        fail(f"buildah {arguments[0]}:\n{done.stdout[-4000:]}")
    return done.stdout.strip()


def base_image() -> str:
    """Return the base: BASE_IMAGE, or a Debian with its Python, made once with debootstrap."""
    if given := os.environ.get("BASE_IMAGE"):
        return given
    if BASE in buildah("images", "--format", "{{.Name}}"):
        return BASE
    step(f"making a base of Debian {SUITE} with debootstrap")
    with tempfile.TemporaryDirectory(dir=STATE) as directory:
        packages = "--include=python3,python3-venv,ca-certificates,tini"
        subprocess.run(
            ["nice", "-n", "10", "debootstrap", "--variant=minbase", packages, SUITE, directory],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        Path(directory).chmod(0o755)
        container = buildah("from", "scratch")
        buildah("add", container, directory, "/")
        buildah("commit", "--rm", container, BASE)
    return BASE


def build(base: str, image: str, *, with_tracing: bool) -> None:
    """Build an image as a release does, with its version and commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    step(f"building {image} from {base}")
    begun = time.monotonic()
    # A machine with a proxy or a registry of its own has their certificates there.
    certificates = ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    buildah(
        "bud", "--format", "docker", *(certificates if CERTIFICATES.is_dir() else []),
        "--build-arg", f"BASE_IMAGE={base}", "--build-arg", "VERSION=image-test",
        "--build-arg", f"COMMIT={commit}", "--build-arg", f"TRACING={str(with_tracing).lower()}",
        "--file", str(ROOT / "docker" / "Dockerfile"), "--tag", image, str(ROOT),
    )  # fmt: skip
    size = int(buildah("images", "--format", "{{.Size}}", image).split()[0].split(".")[0])
    step(f"built in {time.monotonic() - begun:.0f} s, about {size} MB")
    label = '{{index .Docker.Config.Labels "org.opencontainers.image.revision"}}'
    if buildah("inspect", "--type", "image", "--format", label, image) != commit:
        fail("the image does not name its commit")


@dataclass
class Servers:
    """A PostgreSQL and a Valkey with passwords, over TCP on the loopback.

    Attributes:
        database_url: of PostgreSQL.
        redis_url: of Valkey.
    """

    database_url: str
    redis_url: str


@contextmanager
def servers(directory: Path) -> Iterator[Servers]:
    """Run the servers of Hardline's wheels, with TCP instead of their sockets."""
    with tcp_postgres(directory) as postgres, tcp_valkey(directory) as valkey:
        yield Servers(postgres.database_url, valkey.redis_url)


@dataclass
class Containers:
    """The containers of an image, one for each role.

    Attributes:
        image: its name.
        environ: what all of them get.
        mounts: host directory → directory in each.
        logs: where their output goes.
    """

    image: str
    environ: Mapping[str, str]
    mounts: Mapping[Path, str]
    logs: Path
    _names: dict[str, str] = field(default_factory=dict)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def command(self, role: str, *words: str) -> list[str]:
        """Return the command line that runs words in a role's container."""
        if role not in self._names:
            self._names[role] = buildah("from", self.image)
        variables = [
            part for name, value in self.environ.items() for part in ("--env", f"{name}={value}")
        ]
        volumes = [
            part
            for host, inside in self.mounts.items()
            for part in ("--volume", f"{host}:{inside}")
        ]
        return [
            "buildah", "--root", str(STATE / "store"), "--runroot", str(STATE / "run"),
            "run", *variables, *volumes, self._names[role], "--", *words,
        ]  # fmt: skip

    def start(self, role: str) -> None:
        """Start a role as the image's entrypoint does."""
        with (self.logs / f"{role}.log").open("ab") as log:
            self._processes[role] = subprocess.Popen(
                self.command(role, "tini", "--", "python", "/app/manage.py", "role", role),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ISOLATION},
                start_new_session=True,
            )

    def init(self, role: str) -> psutil.Process:
        """Return the first process within a role's container."""
        for process in psutil.Process(self._processes[role].pid).children(recursive=True):
            if process.name() == "tini":
                return process
        fail(f"{role} has no init; it said:\n{self.said(role)}")
        raise AssertionError

    def is_running(self, role: str) -> bool:
        """Return True unless the role has ended."""
        return self._processes[role].poll() is None

    def is_healthy(self, role: str) -> bool:
        """Run the image's own health check."""
        if not self.is_running(role):
            fail(f"{role} has ended; it said:\n{self.said(role)}")
        words = ("python", "-I", "-S", "/app/betting/runtime/healthcheck.py")
        return (
            subprocess.run(
                self.command(role, *words),
                env={**os.environ, **ISOLATION},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            ).returncode
            == 0
        )

    def end(self, role: str) -> tuple[int, float]:
        """Send SIGTERM to a role, as a platform does; return its status and the seconds it took."""
        begun = time.monotonic()
        self.init(role).send_signal(signal.SIGTERM)
        wait_until(lambda: not self.is_running(role), f"the end of {role}", DRAIN_SECONDS)
        return self._processes[role].returncode, time.monotonic() - begun

    def said(self, role: str) -> str:
        """Return the end of a role's output."""
        return (self.logs / f"{role}.log").read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        """Kill what is left, and remove the containers."""
        for process in self._processes.values():
            if process.poll() is None:
                for each in psutil.Process(process.pid).children(recursive=True):
                    each.kill()
                process.kill()
                process.wait()
        for name in self._names.values():
            buildah("rm", name)


def status_of(url: str) -> int:
    """Return the status of a page."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def newest(database_url: str, table: str) -> int:
    """Return the highest id of a table; 0 if it has no row."""
    query = sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(sql.Identifier(table))
    with psycopg.connect(database_url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def newest_batch(database_url: str) -> int:
    """Return the highest id of a recompute that worker-value, not worker-major, made."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT coalesce(max(id), 0) FROM valuation_recomputerun WHERE trigger = 'batch'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def write_secrets(directory: Path, running: Servers) -> dict[str, str]:
    """Write the secrets as files; return the variables that name them in a container."""
    directory.mkdir()
    values = {
        "DATABASE_URL": running.database_url,
        "REDIS_URL": running.redis_url,
        "HARDLINE_SECRET_KEY": secrets.token_urlsafe(48),
        "HARDLINE_SIMULATOR_KEY": secrets.token_urlsafe(12),
        "DJANGO_SUPERUSER_PASSWORD": secrets.token_urlsafe(12),
    }
    for name, value in values.items():
        (directory / name).write_text(f"{value}\n")
        os.chown(directory / name, UID, UID)
        (directory / name).chmod(0o400)
    return {f"{name}_FILE": f"/run/secrets/{name}" for name in values}


def memory_megabytes(init: psutil.Process) -> float:
    """Return the memory of a role, of which its processes share no part."""
    processes = (init, *init.children(recursive=True))
    return sum(float(each.memory_full_info().uss) for each in processes) / 1e6


def require_not_root(containers: Containers) -> None:
    """Verify that every process of every role runs as the image's user."""
    for role in ROLES:
        init = containers.init(role)
        for process in (init, *init.children(recursive=True)):
            if process.uids() != (UID, UID, UID):
                fail(f"{role} runs {process.name()} as {process.uids()}")


def require_read_only(containers: Containers, role: str) -> None:
    """Verify that a role wrote only where a read-only root file system has a mount."""
    words = (
        "find", "/", "-xdev", "-user", str(UID), "-not", "-path", "/var/lib/hardline*",
        "-not", "-path", "/tmp/*", "-not", "-path", "/proc*", "-not", "-path", "/run/secrets*",
        "-not", "-path", "/dev/*",
    )  # fmt: skip
    done = subprocess.run(
        containers.command(role, *words),
        env={**os.environ, **ISOLATION}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if written := done.stdout.split():
        fail(f"{role} wrote outside of its mounts: {', '.join(written[:5])}")


def start_all(containers: Containers, ports: Mapping[str, int]) -> None:
    """Start the roles in the worst order: all before the tables are there."""
    address = f"http://127.0.0.1:{ports['web']}"
    step("starting the roles before there are tables")
    for role in ROLES:
        containers.start(role)
    wait_until(lambda: "Waiting: migrations" in containers.said("web"), "the web server's wait")
    if containers.is_healthy("web") or containers.is_healthy("worker-io"):
        fail("a role is healthy though its tables are missing")
    step("all of them wait for the tables; migrating")
    containers.start("migrate")
    wait_until(lambda: not containers.is_running("migrate"), "the migrations", 240)
    if "The login admin was created" not in containers.said("migrate"):
        fail(f"migrate said:\n{containers.said('migrate')}")
    wait_until(lambda: status_of(f"{address}/health/ready") == 200, "/health/ready")
    step("/health/ready turned ready")
    for role in ROLES:
        wait_until(partial(containers.is_healthy, role), f"the health of {role}")
        step(f"{role} is healthy")
    if status_of(f"http://127.0.0.1:{ports['flower']}/") != 401:
        fail("Flower is open without a login")


def see_it_flow(url: str) -> None:
    """Wait until polls, fair prices and edges are in the database."""
    for table in TABLES:
        wait_until(lambda table=table: newest(url, table) > 20, f"rows of {table}")  # type: ignore[misc]
        step(f"{newest(url, table):,} rows of {table}")


def drain(containers: Containers, url: str) -> dict[str, int]:
    """End one worker under load and start it again, then end all; return their statuses."""
    statuses = {}
    status, seconds = containers.end("worker-value")
    step(f"worker-value drained under load in {seconds:.1f} s, status {status}")
    before = newest_batch(url)
    containers.start("worker-value")
    wait_until(lambda: newest_batch(url) > before, "valuations again")
    step("worker-value values again")
    for role in ("beat", "worker-io", *ROLES):
        if containers.is_running(role):
            statuses[role], seconds = containers.end(role)
            step(f"{role} ended in {seconds:.1f} s, status {statuses[role]}")
    return {**statuses, "worker-value, under load": status}


def trace(containers: Containers, collector: Collector, ports: Mapping[str, int]) -> None:
    """See the spans of the roles come, and the roles end while the collector is away."""
    containers.start("migrate")
    wait_until(lambda: not containers.is_running("migrate"), "the migrations", 240)
    for role in TRACED:
        containers.start(role)
    for role in TRACED:
        wait_until(partial(containers.is_healthy, role), f"the health of {role}")
    step(f"{', '.join(TRACED)} are healthy with traces")
    status_of(f"http://127.0.0.1:{ports['web']}/")
    for name in SPANS:
        wait_until(
            lambda name=name: any(span.name.startswith(name) for span in collector.spans),  # type: ignore[misc]
            f"spans of {name}",
        )
    if {span.service for span in collector.spans} != {"hardline"}:
        fail("spans do not say that they are Hardline's")
    step(f"{len(collector.spans):,} spans came, of {', '.join(SPANS)} and others")


def end_all(containers: Containers) -> None:
    """End the roles under load; fail if one does not end well."""
    for role in ("beat", "worker-io", *TRACED):
        if containers.is_running(role):
            status, seconds = containers.end(role)
            step(f"{role} ended in {seconds:.1f} s without a collector, status {status}")
            if status:
                fail(f"{role} ended with status {status}")


def conduct(containers: Containers, url: str, ports: Mapping[str, int]) -> None:
    """Run everything that the test wants to see."""
    start_all(containers, ports)
    require_not_root(containers)
    step(f"every process of every role runs as {UID}")
    see_it_flow(url)
    for role in ("web", "worker-value", "worker-io"):
        require_read_only(containers, role)
    step("no role wrote outside of its mounts")
    for role in ROLES:
        step(f"{role} takes {memory_megabytes(containers.init(role)):.0f} MB")
    statuses = drain(containers, url)
    if any(statuses.values()):
        fail(f"a role did not end with status 0: {statuses}")
    if newest(url, "streaming_deadletter"):
        fail("there are dead letters")
    step("no dead letter")


def main() -> int:
    """Run the test; return 0 if all of it was seen."""
    if lacks := missing():
        print("The image is not tested. This machine lacks:", *lacks, sep="\n  - ")
        return 2
    STATE.mkdir(mode=0o711, parents=True, exist_ok=True)
    base = base_image()
    build(base, IMAGE, with_tracing=False)
    with site(IMAGE) as (containers, url, ports):
        conduct(containers, url, ports)
    step("the image works")
    build(base, TRACING_IMAGE, with_tracing=True)
    with ExitStack() as listening:
        collector = listening.enter_context(running_collector())
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        with site(TRACING_IMAGE, traced) as (containers, _, ports):
            trace(containers, collector, ports)
            listening.close()
            end_all(containers)
    step("the image with traces works")
    return 0


@contextmanager
def site(
    image: str, more: Mapping[str, str] | None = None
) -> Iterator[tuple[Containers, str, Mapping[str, int]]]:
    """Run servers; yield the containers that use them, the database's address, and the ports.

    Args:
        image: of the containers.
        more: variables that they get beside those of the servers.
    """
    # Below /var/tmp, as PostgreSQL's account has to pass through every directory.
    with tempfile.TemporaryDirectory(dir=STATE) as scratch:
        directory = Path(scratch)
        directory.chmod(0o711)
        with servers(directory) as running:
            ports = {name: free_port() for name in ("web", "flower", "simulator")}
            environ = write_secrets(directory / "secrets", running) | {
                "HARDLINE_WEB_PORT": str(ports["web"]),
                "HARDLINE_WEB_FLOWER_PORT": str(ports["flower"]),
                "HARDLINE_WEB_SIMULATOR_PORT": str(ports["simulator"]),
                "HARDLINE_WEB_HTTPS": "false",
                **(more or {}),
            }
            mounts = {directory / "secrets": "/run/secrets"}
            containers = Containers(image, environ, mounts, directory)
            try:
                yield containers, running.database_url, ports
            except BaseException:
                for log in sorted(directory.glob("*.log")):
                    print(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}")
                raise
            finally:
                containers.kill()


if __name__ == "__main__":
    sys.exit(main())
