"""Hardline's configuration: one typed tree, read from the environment once.

A field's variable is ``HARDLINE_<SECTION>_<FIELD>`` in upper case, unless its metadata names
another.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from betting.config import rules
from betting.config.env import ConfigError, Variable, build, read, variables
from streaming.core.circuit import CircuitPolicy
from streaming.core.coalesce import CoalescePolicy
from streaming.core.deadlines import FetchPolicy
from streaming.core.health import HealthPolicy
from streaming.core.key_variables import KEY_PREFIX, SIMULATOR_KEY_ENV
from streaming.core.matching import MatchPolicy
from streaming.core.movement import MovementPolicy
from streaming.core.staleness import StalenessPolicy
from streaming.core.suppression import SuppressionPolicy
from streaming.core.texts import did_you_mean
from valuation.policy import ValuationPolicy

PREFIX = "HARDLINE_"
CHECKOUT = Path(__file__).resolve().parents[2]

#: Variables with our prefix that something else than `Config` reads.
OTHER_VARIABLES = frozenset({SIMULATOR_KEY_ENV})


@dataclass(frozen=True, slots=True)
class PollConfig:
    """When providers are polled.

    Attributes:
        tick_seconds: how often beat looks for providers that are due.
        dedupe_ms: a request that ran less than this ago is not repeated; 0 = every request is made.
        interval_seconds: between two polls of a provider that sets no interval of its own.
        jitter_fraction: each interval varies by up to this part of it, either way.
        slowest_interval_seconds: a provider whose credits run low is slowed down to no more than
            this.
        stale_after_seconds: the least silence after which quotes are quarantined, for a provider
            that sets none of its own; a bookmaker's own limit is learnt and may be longer.
        key_variables: environment variables that may hold a provider's key, beside those that begin
            with HARDLINE_KEY_.
        allow_private_networks: whether providers may be at addresses that are not on the public
            internet; the simulator of a run may in any case.
        max_unreadable_share: the part of an answer that may be left out because it cannot be read;
            one of which more is unreadable fails as a whole, and counts as the provider's failure.
    """

    tick_seconds: float = 1.0
    dedupe_ms: int = 500
    interval_seconds: float = 30.0
    jitter_fraction: float = 0.1
    slowest_interval_seconds: float = 900.0
    stale_after_seconds: float = 120.0
    key_variables: tuple[str, ...] = ()
    allow_private_networks: bool = False
    max_unreadable_share: float = 0.5


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """The sweeper, which values what lost messages left behind.

    Attributes:
        interval_seconds: between two sweeps.
        dirty_after_ms: a market that waits for its valuation longer than this is swept.
        max_markets: markets that one sweep schedules, at most.
    """

    interval_seconds: float = 1.0
    dirty_after_ms: int = 2_000
    max_markets: int = 5_000


@dataclass(frozen=True, slots=True)
class BusConfig:
    """The event bus and its deliveries.

    Attributes:
        route_cache_ms: how long a process may go on without a subscriber that was added or changed.
        message_events: events in one delivery, at most; all of them fit into one dead letter.
        max_waiting: deliveries that wait in their queue, at most; those beyond are dropped, counted
            and logged.
        connect_timeout_seconds: name lookup, TCP connection and TLS handshake of a webhook.
        total_timeout_seconds: a whole delivery, to a webhook or by a handler.
        allow_private_networks: whether webhooks may lead to addresses that are not on the public
            internet: one's own machine, private networks, metadata services.
    """

    route_cache_ms: int = 1_000
    message_events: int = 100
    max_waiting: int = 10_000
    connect_timeout_seconds: float = 2.0
    total_timeout_seconds: float = 5.0
    allow_private_networks: bool = False


@dataclass(frozen=True, slots=True)
class CeleryConfig:
    """Workers and their time limits; every process on one broker must agree on them.

    Attributes:
        visibility_timeout_seconds: a message not acknowledged for this long is delivered again.
        socket_timeout_seconds: the longest wait for an answer of Redis.
        task_soft_limit_seconds: a task is told to end after this long.
        task_hard_limit_seconds: a task's process is killed after this long.
        io_threads: polls that run side by side, and deliveries that do.
        value_processes: processes that coalesce and value, major moves aside.
        max_message_bytes: a message larger than this is not run.
    """

    visibility_timeout_seconds: int = 25
    socket_timeout_seconds: float = 5.0
    task_soft_limit_seconds: int = 15
    task_hard_limit_seconds: int = 20
    io_threads: int = 8
    value_processes: int = 1
    max_message_bytes: int = 1_048_576


@dataclass(frozen=True, slots=True)
class DeadLettersConfig:
    """Work that failed for good; `dead_letters_enabled` switches it off.

    Attributes:
        max_rows: letters that are kept; the least recently seen goes first.
        max_deliveries: a message that so often came to no end, because its worker died over it, is
            not run again.
        max_payload_bytes: an answer of a provider that could not be read is kept for replay if it
            is no larger than this, deflated and in base64.
        spool_letters: letters that wait in Redis while PostgreSQL is away, at most.
        spool_bytes: size of the file in which letters wait while both are away, at most.
        store_seconds: between two looks for letters that wait.
        replay_per_second: replays that are sent in a second, at most.
        replay_timeout_seconds: a replay not heard of for this long has been lost.
    """

    max_rows: int = 1_000
    max_deliveries: int = 3
    max_payload_bytes: int = 65_536
    spool_letters: int = 10_000
    spool_bytes: int = 67_108_864
    store_seconds: float = 5.0
    replay_per_second: int = 10
    replay_timeout_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """How long rows that only grow are kept.

    Attributes:
        poll_run_days: one row a poll.
        circuit_transition_days: one row a change of a circuit.
        delivery_run_days: one row a delivery; within this time none that arrived is made again.
        recompute_run_days: one row a batch of recomputes.
        line_change_days: the line history.
        closed_edge_days: edges, counted from when they closed.
        event_days: events with their markets, quotes and fair prices, counted from their start,
            from when they were first met and from when anything of them was last valued; feeds
            without quotes, from when they were last heard.
        task_result_days: results of tasks that keep one.
        health_snapshot_days: one row every `interval_seconds` of health.
        dead_letter_occurrence_days: how long a failure that was counted is not counted again.
        dead_letter_action_days: what was done about dead letters.
        baseline_snapshot_days: captured baselines.
        admin_log_days: what was changed in the admin, and by whom.
    """

    poll_run_days: int = 7
    circuit_transition_days: int = 365
    delivery_run_days: int = 7
    recompute_run_days: int = 7
    line_change_days: int = 365
    closed_edge_days: int = 365
    event_days: int = 400
    task_result_days: int = 7
    health_snapshot_days: int = 2
    dead_letter_occurrence_days: int = 2
    dead_letter_action_days: int = 365
    baseline_snapshot_days: int = 365
    admin_log_days: int = 365


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is logged, and how it looks.

    Attributes:
        level: the least severe level that is logged.
        format: json, console, or auto: console on a terminal and json elsewhere.
        ecs: whether json has the names of the Elastic Common Schema.
        sample: actions of which every n-th line alone is logged, as action=n; one that failed
            always is.
    """

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    format: Literal["auto", "json", "console"] = "auto"
    ecs: bool = False
    sample: tuple[str, ...] = ("debounce_skip=10", "sweep=60")

    def sampling(self) -> dict[str, int]:
        """Action → n.

        >>> LogConfig(sample=("ingest=10",)).sampling()
        {'ingest': 10}
        """
        pairs = (each.partition("=") for each in self.sample)
        return {action: int(every) for action, _, every in pairs}


@dataclass(frozen=True, slots=True)
class SentryConfig:
    """Where errors are sent; without a DSN, nowhere.

    Attributes:
        dsn: the address that Sentry gives a project, with its key.
        environment: what this installation is called there.
        release: what is running; by default the version of this checkout.
        traces_sample_rate: the part of requests and tasks whose timings are sent as well.
    """

    dsn: str | None = field(default=None, repr=False, metadata={"is_secret": True})
    environment: str = "production"
    release: str | None = None
    traces_sample_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Where the HTTP servers listen.

    Attributes:
        host: the address that the web server, Flower and the simulator bind.
        port: the web server's port.
        flower_port: Flower's port.
        simulator_port: the simulated provider's port.
        allowed_hosts: host names the web server answers to, comma-separated.
        debug: Django's debug pages; never where others can reach them.
        https: whether browsers reach the web server over TLS alone, which a proxy in front ends; by
            default they do unless it listens on the loopback.
        trusted_proxy: the address of that proxy, whose X-Forwarded-For, -Proto and -Host are
            believed; by default nobody's are.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    flower_port: int = 5555
    simulator_port: int = 8099
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    debug: bool = False
    https: bool | None = None
    trusted_proxy: str | None = None

    @property
    def is_https(self) -> bool:
        """Return True if a browser may only come over TLS.

        >>> WebConfig().is_https, WebConfig(host="0.0.0.0").is_https
        (False, True)
        """
        is_loopback = self.host in {"localhost", "::1"} or self.host.startswith("127.")
        return not is_loopback if self.https is None else self.https

    @property
    def simulator_url(self) -> str:
        """The simulated provider's address, which a run binds to the loopback alone."""
        return f"http://127.0.0.1:{self.simulator_port}"


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """The REST API and its stream of events.

    Attributes:
        user_per_minute: requests that one user may make in a minute.
        anonymous_per_minute: requests without valid credentials that one address may make in a
            minute.
        stream_connections: streams that one web process serves at a time, and of which one user may
            have half; each takes a thread.
        stream_poll_ms: between two looks for events.
        stream_heartbeat_seconds: a stream that is silent for so long says that it lives.
        stream_max_seconds: a stream is ended after this long; its client goes on with the next.
        stream_overlap_seconds: a row may be seen so long after the time written on it, because
            its transaction was still under way.
        stream_replay_seconds: a client that was away for longer misses what was before.
    """

    user_per_minute: int = 600
    anonymous_per_minute: int = 30
    stream_connections: int = 4
    stream_poll_ms: int = 500
    stream_heartbeat_seconds: float = 10.0
    stream_max_seconds: float = 300.0
    stream_overlap_seconds: float = 35.0
    stream_replay_seconds: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration.

    Attributes:
        home: where this checkout keeps its state, an absolute path; by default a directory of its
            own under the user's state directory.
        runtime_dir: where the private servers' sockets go, an absolute and short path; by default
            /run as root and /tmp otherwise.
        secret_key: Django's signing key; by default generated once and kept in the home.
        database_url: a PostgreSQL server to use, ``postgresql://user:password@host:port/name``;
            by default a private one is started.
        redis_url: a Redis server to use, ``redis://:password@host:port/0``; by default a private
            one is started.
        redis_server: the program that serves as the private Redis, a path or a name on PATH, such
            as valkey-server; version 7.2 or newer. By default it is a Valkey that is installed with
            Hardline.
        health_token: whoever bears it sees the details of /health/, and /metrics asks for it; by
            default details are for staff and /metrics is open.
        dead_letters_enabled: whether work that failed for good is kept.
        movement: what a major move is.
        matching: when events of different providers are one.
        coalesce: micro-batching and debounce.
        valuation: how quotes become fair prices and edges.
        fetch: deadlines and bounds of a poll's HTTP request.
        poll: when providers are polled.
        circuits_enabled: whether circuits refuse calls; they count them in any case.
        circuit: when a provider's circuit opens and closes, unless its row says otherwise.
        staleness: how long a bookmaker may go unconfirmed.
        sweep: the sweeper.
        bus: the event bus and its deliveries.
        suppression: when a failing subscriber is left alone.
        celery: workers and their time limits.
        dead_letters: work that failed for good.
        retention: how long rows are kept.
        health: what is healthy; each pair is a warning's and a failure's threshold.
        log: what is logged, and how.
        sentry: where errors are sent.
        web: where the HTTP servers listen.
        api: the REST API and its stream of events.
    """

    home: Path
    runtime_dir: Path | None = None
    secret_key: str | None = field(default=None, repr=False, metadata={"is_secret": True})
    database_url: str | None = field(
        default=None, repr=False, metadata={"env": "DATABASE_URL", "is_secret": True}
    )
    redis_url: str | None = field(
        default=None, repr=False, metadata={"env": "REDIS_URL", "is_secret": True}
    )
    redis_server: str | None = None
    health_token: str | None = field(default=None, repr=False, metadata={"is_secret": True})
    dead_letters_enabled: bool = True
    movement: MovementPolicy = field(default_factory=MovementPolicy)
    matching: MatchPolicy = field(default_factory=MatchPolicy)
    coalesce: CoalescePolicy = field(default_factory=CoalescePolicy)
    valuation: ValuationPolicy = field(default_factory=ValuationPolicy)
    fetch: FetchPolicy = field(default_factory=FetchPolicy)
    poll: PollConfig = field(default_factory=PollConfig)
    circuits_enabled: bool = True
    circuit: CircuitPolicy = field(default_factory=CircuitPolicy)
    staleness: StalenessPolicy = field(default_factory=StalenessPolicy)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    bus: BusConfig = field(default_factory=BusConfig)
    suppression: SuppressionPolicy = field(default_factory=SuppressionPolicy)
    celery: CeleryConfig = field(default_factory=CeleryConfig)
    dead_letters: DeadLettersConfig = field(default_factory=DeadLettersConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    health: HealthPolicy = field(default_factory=HealthPolicy)
    log: LogConfig = field(default_factory=LogConfig)
    sentry: SentryConfig = field(default_factory=SentryConfig)
    web: WebConfig = field(default_factory=WebConfig)
    api: ApiConfig = field(default_factory=ApiConfig)

    def is_private_provider_allowed(self, base_url: str) -> bool:
        """Return True if a provider there may be at an address that is not public."""
        is_simulator = base_url.rstrip("/") == self.web.simulator_url
        return self.poll.allow_private_networks or is_simulator


def known_variables() -> list[Variable]:
    """Every variable of the tree, in its order."""
    return list(variables(Config, PREFIX))


def default_home(environ: Mapping[str, str]) -> Path:
    """The state directory of this checkout: no two checkouts share one.

    >>> default_home({"XDG_STATE_HOME": "/var/state"}).parent
    PosixPath('/var/state/hardline')
    """
    user = environ.get("HOME") or Path.home()
    state = environ.get("XDG_STATE_HOME") or Path(user, ".local", "state")
    digest = hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:8]
    return Path(state, "hardline", f"{CHECKOUT.name}-{digest}")


def load(environ: Mapping[str, str]) -> Config:
    """Read the configuration.

    Raises:
        ConfigError: with every problem there is: an unknown variable with our prefix, a value of
            the wrong type or out of range, values that contradict each other.

    >>> load({"HARDLINE_COALESCE_BATCH_CHANGES": "80"}).coalesce.batch_changes
    80
    >>> load({"HARDLINE_COALESE_BATCH_CHANGES": "80", "HARDLINE_WEB_PORT": "http"})
    Traceback (most recent call last):
    betting.config.env.ConfigError: The configuration has 2 problem(s):
      - HARDLINE_COALESE_BATCH_CHANGES: unknown; did you mean HARDLINE_COALESCE_BATCH_CHANGES?
      - HARDLINE_WEB_PORT: 'http' is not a whole number
    """
    known = known_variables()
    names = {variable.path: variable.name for variable in known}
    unknown = _unknown_variables(environ, {*names.values(), *OTHER_VARIABLES})
    values, problems = read(known, environ, rules.LIMITS)
    if "home" not in values:
        try:
            values["home"] = default_home(environ)
        except RuntimeError:  # neither HOME nor an entry in /etc/passwd, as in some containers
            homeless = "HARDLINE_HOME: this user has no home directory, so it has to be set"
            raise ConfigError([*unknown, *problems.values(), homeless]) from None
    config = build(Config, values)
    contradictions = [
        f"{' and '.join(names[path] for path in rule.paths)}: {rule.message}"
        for rule in rules.RULES
        if problems.keys().isdisjoint(rule.paths) and not rule.holds(config)
    ]
    if unknown or problems or contradictions:
        raise ConfigError([*unknown, *problems.values(), *contradictions])
    return config


def _unknown_variables(environ: Mapping[str, str], names: set[str]) -> list[str]:
    unknown = sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and name not in names and not name.startswith(KEY_PREFIX)
    )
    return [f"{name}: unknown{did_you_mean(name, names)}" for name in unknown]


@functools.cache
def get_config() -> Config:
    """The configuration of this process, read from its environment on the first call."""
    return load(os.environ)
