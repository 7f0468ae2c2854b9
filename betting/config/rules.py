"""The conditions of a usable configuration that are more than the limits of one number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from betting.config.env import variables
from betting.config.sentinel_url import is_sentinel_url, parse_sentinel_url
from betting.log_schema import ACTIONS
from betting.timing import TASK_HARD_LIMIT_SECONDS, VISIBILITY_TIMEOUT_SECONDS
from streaming.core.health import HealthPolicy, Thresholds
from streaming.core.histogram import BOUNDS_MS

if TYPE_CHECKING:
    from betting.config import Config

_DAY_SECONDS = 86_400.0
_MAX_WINDOW_MS = 1_000 * (VISIBILITY_TIMEOUT_SECONDS - TASK_HARD_LIMIT_SECONDS)
_THRESHOLDS = [
    each.path for each in variables(HealthPolicy, "", "health.") if each.type == Thresholds
]


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition between fields.

    Attributes:
        paths: the fields it is about; it is skipped if one of them is invalid by itself.
        message: the error if it does not hold; it contains no value.
        holds: returns True if it holds for a configuration.
    """

    paths: tuple[str, ...]
    message: str
    holds: Callable[[Config], bool]


RULES: tuple[Rule, ...] = (
    Rule(
        ("home",),
        "must be an absolute path",
        lambda c: c.home.is_absolute(),
    ),
    Rule(
        ("runtime_dir",),
        "must be an absolute path",
        lambda c: c.runtime_dir is None or c.runtime_dir.is_absolute(),
    ),
    Rule(
        ("database_url",),
        "must look like postgresql://user:password@host:port/name",
        lambda c: c.database_url is None or _is_database_url(c.database_url),
    ),
    Rule(
        ("database_session_url",),
        "must look like postgresql://user:password@host:port/name",
        lambda c: c.database_session_url is None or _is_database_url(c.database_session_url),
    ),
    Rule(
        ("database_session_url", "database_url"),
        "the first leads past the pooler that the second names, so it needs the second",
        lambda c: c.database_session_url is None or c.database_url is not None,
    ),
    Rule(
        ("database_replica_url",),
        "must look like postgresql://user:password@host:port/name",
        lambda c: c.database_replica_url is None or _is_database_url(c.database_replica_url),
    ),
    Rule(
        ("database_replica_url", "database_url"),
        "the first names a replica of the second's server, so it needs the second",
        lambda c: c.database_replica_url is None or c.database_url is not None,
    ),
    Rule(
        ("redis_url",),
        "must look like redis://, rediss:// or unix:// with a host or a socket path, or like"
        " redis+sentinel://:password@host:port,host:port/service/0",
        lambda c: c.redis_url is None or _is_redis_url(c.redis_url),
    ),
    Rule(
        ("broker_url",),
        "must look like amqp://user:password@host:port/vhost or amqps://",
        lambda c: c.broker_url is None or _is_amqp_url(c.broker_url),
    ),
    Rule(
        ("secret_key",),
        "must have at least 32 characters",
        lambda c: c.secret_key is None or len(c.secret_key) >= 32,
    ),
    Rule(
        ("sentry.dsn",),
        "must look like https://key@host/project",
        lambda c: c.sentry.dsn is None or _is_dsn(c.sentry.dsn),
    ),
    Rule(
        ("matching.same_start_minutes", "matching.doubtful_start_hours"),
        "starts that agree must not be doubtful, so the first must not be above the second",
        lambda c: c.matching.same_start_minutes <= 60 * c.matching.doubtful_start_hours,
    ),
    Rule(
        ("coalesce.batch_ms", "coalesce.debounce_ms"),
        "a message that counts down and runs beyond the visibility timeout is delivered twice, so"
        f" together they must be below {_MAX_WINDOW_MS:,} ms",
        lambda c: _window_ms(c) < _MAX_WINDOW_MS,
    ),
    Rule(
        ("coalesce.batch_ms", "coalesce.debounce_ms", "sweep.dirty_after_ms"),
        "the sweeper must not run ahead of the usual way, so the first two together must be below"
        " the third",
        lambda c: _window_ms(c) < c.sweep.dirty_after_ms,
    ),
    Rule(
        ("poll.interval_seconds", "poll.stale_after_seconds"),
        "quotes would be stale between two polls, so the first must be below the second",
        lambda c: c.poll.interval_seconds < c.poll.stale_after_seconds,
    ),
    Rule(
        ("circuit.backoff_seconds",),
        "must be one wait or more, each above 0 and at most a day",
        lambda c: (
            bool(c.circuit.backoff_seconds)
            and all(0 < seconds <= _DAY_SECONDS for seconds in c.circuit.backoff_seconds)
        ),
    ),
    *(
        Rule(
            (f"health.{name}",),
            f"must be one of {', '.join(f'{bound:g}' for bound in BOUNDS_MS)}, which are counted",
            lambda c, name=name: getattr(c.health, name) in BOUNDS_MS,  # type: ignore[misc]  # a default binds the name now
        )
        for name in ("major_ms", "batch_ms")
    ),
    *(
        Rule(
            (path,),
            "must be a warning's threshold, above 0, and a failure's, not below it",
            lambda c, path=path: _is_ascending(attrgetter(path)(c)),  # type: ignore[misc]  # as above
        )
        for path in _THRESHOLDS
    ),
    Rule(
        ("health_token",),
        "must have at least 16 characters",
        lambda c: c.health_token is None or len(c.health_token) >= 16,
    ),
    Rule(
        ("log.sample",),
        "must be pairs of an action and a whole number above 0, such as ingest=10,poll=5; the"
        " actions are in docs/logging.md",
        lambda c: all(map(_is_sampling, c.log.sample)),
    ),
    Rule(
        ("web.port", "web.flower_port", "web.simulator_port"),
        "must be three different ports",
        lambda c: len({c.web.port, c.web.flower_port, c.web.simulator_port}) == 3,
    ),
)


def _is_ascending(thresholds: tuple[float, float]) -> bool:
    return 0 < thresholds[0] <= thresholds[1]


def _window_ms(config: Config) -> int:
    return config.coalesce.batch_ms + config.coalesce.debounce_ms


def _is_sampling(pair: str) -> bool:
    action, _, every = pair.partition("=")
    return action in ACTIONS and every.isdecimal() and every.isascii() and int(every) > 0


def _address(url: str, *schemes: str) -> SplitResult | None:
    """Return the parts of an address with one of the schemes; None where its port cannot be."""
    try:
        parts = urlsplit(url)
        has_valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return None
    return parts if parts.scheme in schemes and has_valid_port else None


def _is_database_url(url: str) -> bool:
    parts = _address(url, "postgres", "postgresql")
    return parts is not None and len(parts.path) > 1


def _is_redis_url(url: str) -> bool:
    try:
        if is_sentinel_url(url):
            return bool(parse_sentinel_url(url))
        parts = urlsplit(url)
        has_valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if parts.scheme == "unix":
        return parts.path.startswith("/")
    return parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and has_valid_port


def _is_amqp_url(url: str) -> bool:
    parts = _address(url, "amqp", "amqps")
    return parts is not None and bool(parts.hostname)


def _is_dsn(url: str) -> bool:
    parts = _address(url, "http", "https")
    if parts is None or not parts.hostname or not parts.username:
        return False
    return parts.path.rpartition("/")[2].isdecimal()
