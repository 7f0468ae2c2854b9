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
from typing import Annotated, Literal

from msgspec import Meta as Setting

from betting.config import rules
from betting.config.env import ConfigError, Variable, build, read, variables
from betting.config.removed import REMOVED
from betting.config.secret_files import SUFFIX
from betting.timing import TICK_SECONDS
from streaming.core.breaker import BreakerPolicy
from streaming.core.coalesce import CoalescePolicy
from streaming.core.deadlines import FetchPolicy
from streaming.core.health import HealthPolicy
from streaming.core.key_variables import KEY_PREFIX, SIMULATOR_KEY_ENV
from streaming.core.matching import MatchPolicy
from streaming.core.movement import MovementPolicy
from streaming.core.poll_saving import AdaptiveMode
from streaming.core.staleness import StalenessPolicy
from streaming.core.suppression import SuppressionPolicy
from streaming.core.texts import did_you_mean
from streaming.core.throttle import ThrottleMode
from valuation.policy import ValuationPolicy

PREFIX = "HARDLINE_"
CHECKOUT = Path(__file__).resolve().parents[2]

#: Variables with our prefix that are not read by `Config`.
OTHER_VARIABLES = frozenset({SIMULATOR_KEY_ENV})


@dataclass(frozen=True, slots=True)
class PollConfig:
    """The times at which providers are polled.

    Attributes:
        dedupe_ms: a request is not repeated if it ran less than this ago; 0 = every request is
            made.
        interval_seconds: between two polls of a provider that sets no interval of its own.
        slowest_interval_seconds: a provider whose credits run low is slowed down to no more than
            this.
        scores_interval_seconds: between two requests for the scores of a sport with started events
            that have no result, to providers that offer scores; 0 = none is made.
        stale_after_seconds: the least silence after which quotes are quarantined, for a provider
            that sets none of its own; a bookmaker's own limit is learnt and may be longer.
        adaptive: whether polls come when prices are expected to change, with no more credits than
            at even intervals: ``off``, ``shadow``, which only shows when they would, or ``on``.
        key_variables: environment variables that may hold a provider's key, beside those that begin
            with HARDLINE_KEY_.
        allow_private_networks: whether providers may be at addresses that are not on the public
            internet; the simulator of a run may in any case.
        max_unreadable_share: the part of an answer that may be left out because it cannot be read;
            if more of it is unreadable, the whole answer fails and counts as the provider's
            failure.
    """

    dedupe_ms: Annotated[int, Setting(ge=0, le=60_000)] = 500
    interval_seconds: Annotated[float, Setting(ge=TICK_SECONDS, le=86_400)] = 30.0
    slowest_interval_seconds: Annotated[float, Setting(ge=0.5, le=86_400)] = 900.0
    scores_interval_seconds: Annotated[float, Setting(ge=0, le=86_400)] = 0.0
    stale_after_seconds: Annotated[float, Setting(ge=1, le=86_400)] = 120.0
    adaptive: Annotated[AdaptiveMode, Setting(extra={"live": True})] = "shadow"
    key_variables: Annotated[tuple[str, ...], Setting()] = ()
    allow_private_networks: Annotated[bool, Setting()] = False
    max_unreadable_share: Annotated[float, Setting(ge=0, le=1)] = 0.5


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """The sweeper, which values markets whose messages were lost.

    Attributes:
        dirty_after_ms: a market is swept if it waits longer than this for its valuation.
    """

    dirty_after_ms: Annotated[int, Setting(ge=1, le=3_600_000)] = 2_000


@dataclass(frozen=True, slots=True)
class BusConfig:
    """The event bus and its deliveries.

    Attributes:
        total_timeout_seconds: a whole delivery: to a webhook, by a handler or of an alert.
        allow_private_networks: whether webhooks and alerts may lead to addresses that are not on
            the public internet: one's own machine, private networks, metadata services.
    """

    total_timeout_seconds: Annotated[float, Setting(ge=2, le=14)] = 5.0
    allow_private_networks: Annotated[bool, Setting()] = False


@dataclass(frozen=True, slots=True)
class CeleryConfig:
    """The size of the workers.

    Attributes:
        io_threads: the number of polls that run in parallel, and of deliveries.
        value_processes: the number of processes that coalesce and value, except major moves.
    """

    io_threads: Annotated[int, Setting(ge=1, le=1_000)] = 8
    value_processes: Annotated[int, Setting(ge=1, le=256)] = 1


@dataclass(frozen=True, slots=True)
class DeadLettersConfig:
    """Work that failed for good; `dead_letters_enabled` switches it off.

    Attributes:
        max_rows: the most letters that are kept; the least recently seen is deleted first.
    """

    max_rows: Annotated[int, Setting(ge=1, le=1_000_000)] = 1_000


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """The retention of rows in tables that only grow.

    Attributes:
        history_days: line changes, closing prices, and edges from when they closed; those of events
            that have not started stay until their closing prices are taken. Events with
            their markets, quotes and fair prices are kept 35 days longer, from the latest of their
            start, their first appearance and their last valuation; so are feeds without quotes,
            from their last answer.
        operations_days: polls, deliveries, recomputes, results of tasks, snapshots of health, and
            failures that have been counted. A delivery that arrived is not repeated within this
            time.
        audit_days: what people look up later: changes of circuits, actions on dead letters,
            captured baselines, changes made in the admin and by whom.
    """

    history_days: Annotated[int, Setting(ge=1, le=36_500)] = 365
    operations_days: Annotated[int, Setting(ge=1, le=36_500)] = 7
    audit_days: Annotated[int, Setting(ge=1, le=36_500)] = 365

    @property
    def event_days(self) -> int:
        """The retention of events: their history, which is most of their rows, goes first."""
        return self.history_days + 35


@dataclass(frozen=True, slots=True)
class LogConfig:
    """The level and format of logs.

    Attributes:
        level: the least severe level that is logged.
        format: json; ecs, which is json with the names of the Elastic Common Schema; console; or
            auto: console on a terminal and json elsewhere.
        sample: actions of which only every n-th line is logged, as action=n; failures are always
            logged.
    """

    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], Setting()] = "INFO"
    format: Annotated[Literal["auto", "json", "ecs", "console"], Setting()] = "auto"
    sample: Annotated[tuple[str, ...], Setting()] = ("debounce_skip=10", "sweep=60")

    def sampling(self) -> dict[str, int]:
        """Return the sampled actions, each with its n.

        >>> LogConfig(sample=("ingest=10",)).sampling()
        {'ingest': 10}
        """
        pairs = (each.partition("=") for each in self.sample)
        return {action: int(every) for action, _, every in pairs}


@dataclass(frozen=True, slots=True)
class SentryConfig:
    """The Sentry project that errors are sent to; without a DSN, none are sent.

    Attributes:
        dsn: the address that Sentry gives a project, with its key.
        environment: the name of this installation in Sentry.
        traces_sample_rate: the part of requests and tasks whose timings are sent as well.
    """

    dsn: Annotated[str | None, Setting()] = field(
        default=None, repr=False, metadata={"is_secret": True}
    )
    environment: Annotated[str, Setting()] = "production"
    traces_sample_rate: Annotated[float, Setting(ge=0, le=1)] = 0.0


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The addresses of the HTTP servers.

    Attributes:
        host: the address that the web server, Flower and the simulator bind.
        port: the web server's port.
        flower_port: Flower's port.
        simulator_port: the simulated provider's port.
        allowed_hosts: host names the web server answers to, comma-separated.
        debug: whether Django's debug pages are shown; never enable it where others can reach them.
        https: whether browsers reach the web server over TLS alone, which a proxy in front of it
            terminates; by default true unless it listens on the loopback.
        trusted_proxy: the address of that proxy, whose X-Forwarded-For, -Proto and -Host headers
            are trusted; by default none are.
        board_public: whether the board can be read without a login.
    """

    host: Annotated[str, Setting()] = "127.0.0.1"
    port: Annotated[int, Setting(ge=1, le=65_535)] = 8000
    flower_port: Annotated[int, Setting(ge=1, le=65_535)] = 5555
    simulator_port: Annotated[int, Setting(ge=1, le=65_535)] = 8099
    allowed_hosts: Annotated[tuple[str, ...], Setting()] = ("localhost", "127.0.0.1", "[::1]")
    debug: Annotated[bool, Setting()] = False
    https: Annotated[bool | None, Setting()] = None
    trusted_proxy: Annotated[str | None, Setting()] = None
    board_public: Annotated[bool, Setting()] = False

    @property
    def is_https(self) -> bool:
        """Return True if browsers must connect over TLS.

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
        stream_connections: the most streams that one web process serves at a time, half of which
            one user may have; each takes a thread.
    """

    user_per_minute: Annotated[int, Setting(ge=1, le=1_000_000)] = 600
    anonymous_per_minute: Annotated[int, Setting(ge=1, le=1_000_000)] = 30
    stream_connections: Annotated[int, Setting(ge=0, le=1_000)] = 4


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration.

    Attributes:
        home: the directory of this checkout's state, an absolute path; by default a directory of
            its own under the user's state directory.
        runtime_dir: the directory of the private servers' sockets, an absolute and short path; by
            default /run as root and /tmp otherwise.
        secret_key: Django's signing key; by default generated once and kept in the home.
        database_url: a PostgreSQL server to use, ``postgresql://user:password@host:port/name``;
            by default a private one is started.
        database_session_url: the same database past its pooler: needed if DATABASE_URL is that of a
            pooler in transaction mode, such as PgBouncer.
        database_replica_url: a standby of the same server, from which the web server reads what
            the board and the API show of prices while it is close behind; by default none is.
        redis_url: a Redis server to use, ``redis://:password@host:port/0``, or the Sentinels that
            name it, ``redis+sentinel://:password@host,host,host/service/0``; by default a private
            one is started.
        broker_url: a RabbitMQ that carries Celery's messages,
            ``amqp://user:password@host:5672/vhost``, or ``amqps://`` over TLS; by default Redis
            carries them.
        redis_server: the program that serves as the private Redis, a path or a name on PATH, such
            as valkey-server; version 7.2 or newer. By default it is a Valkey that is installed with
            Hardline.
        health_token: the token that shows the details of /health/ and that /metrics requires; by
            default details are for staff and /metrics is open.
        dead_letters_enabled: whether work that failed for good is kept.
        circuits_enabled: whether circuits refuse calls; they count failures in any case.
        circuit_throttle: whether a provider is asked less often when its answers begin to get
            worse, before its circuit opens: ``off``, ``shadow``, which only shows the risk, or
            ``on``.
        movement: the changes that count as major moves.
        matching: when events of different providers are the same event.
        coalesce: micro-batching and debounce.
        valuation: how fair prices and edges are computed from quotes.
        fetch: deadlines and bounds of a poll's HTTP request.
        poll: when providers are polled.
        circuit: when a provider's circuit opens and closes, unless its row says otherwise.
        staleness: how long a bookmaker may go unconfirmed.
        sweep: the sweeper.
        bus: the event bus and its deliveries.
        suppression: when deliveries to a failing subscriber pause; no settings.
        celery: the size of the workers.
        dead_letters: work that failed for good.
        retention: how long rows are kept.
        health: the limits of health checks; each pair is a warning's and a failure's threshold.
        log: what is logged, and how.
        sentry: where errors are sent.
        web: where the HTTP servers listen.
        api: the REST API and its stream of events.
    """

    home: Annotated[Path, Setting()]
    runtime_dir: Annotated[Path | None, Setting()] = None
    secret_key: Annotated[str | None, Setting()] = field(
        default=None, repr=False, metadata={"is_secret": True}
    )
    database_url: Annotated[str | None, Setting()] = field(
        default=None, repr=False, metadata={"env": "DATABASE_URL", "is_secret": True}
    )
    database_session_url: Annotated[str | None, Setting()] = field(
        default=None, repr=False, metadata={"env": "DATABASE_SESSION_URL", "is_secret": True}
    )
    database_replica_url: Annotated[str | None, Setting()] = field(
        default=None, repr=False, metadata={"env": "DATABASE_REPLICA_URL", "is_secret": True}
    )
    redis_url: Annotated[str | None, Setting()] = field(
        default=None, repr=False, metadata={"env": "REDIS_URL", "is_secret": True}
    )
    broker_url: Annotated[str | None, Setting()] = field(
        default=None, repr=False, metadata={"env": "BROKER_URL", "is_secret": True}
    )
    redis_server: Annotated[str | None, Setting()] = None
    health_token: Annotated[str | None, Setting()] = field(
        default=None, repr=False, metadata={"is_secret": True}
    )
    dead_letters_enabled: Annotated[bool, Setting()] = True
    circuits_enabled: Annotated[bool, Setting()] = True
    circuit_throttle: Annotated[ThrottleMode, Setting(extra={"live": True})] = "shadow"
    movement: MovementPolicy = field(default_factory=MovementPolicy)
    matching: MatchPolicy = field(default_factory=MatchPolicy)
    coalesce: CoalescePolicy = field(default_factory=CoalescePolicy)
    valuation: ValuationPolicy = field(default_factory=ValuationPolicy)
    fetch: FetchPolicy = field(default_factory=FetchPolicy)
    poll: PollConfig = field(default_factory=PollConfig)
    circuit: BreakerPolicy = field(default_factory=BreakerPolicy)
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
        """Return True if a provider at this URL may have an address that is not public."""
        is_simulator = base_url.rstrip("/") == self.web.simulator_url
        return self.poll.allow_private_networks or is_simulator


def known_variables() -> list[Variable]:
    """Return every variable of the tree, in its order."""
    return list(variables(Config, PREFIX))


def default_home(environ: Mapping[str, str]) -> Path:
    """Return the state directory of this checkout: no two checkouts share one.

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
        ConfigError: there are problems, all of which it lists: an unknown variable with our prefix,
            a value of the wrong type or out of range, values that contradict each other.

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
    secrets = {variable.name for variable in known if variable.is_secret} | OTHER_VARIABLES
    files = {f"{name}{SUFFIX}" for name in secrets}
    unknown = _unknown_variables(environ, {*names.values(), *OTHER_VARIABLES, *files})
    values, problems = read(known, environ)
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
        if name.startswith(PREFIX)
        and name not in names | REMOVED
        and not name.startswith(KEY_PREFIX)
    )
    return [f"{name}: unknown{did_you_mean(name, names)}" for name in unknown]


@functools.cache
def environment_config() -> Config:
    """Return the configuration of the environment, read on the first call."""
    return load(os.environ)
