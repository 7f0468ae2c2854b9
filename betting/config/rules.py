"""The conditions of a usable configuration: limits of numbers, and rules between fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter, le, lt
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from betting.config.env import Limits
from betting.log_schema import ACTIONS
from streaming.core.health import HealthPolicy
from streaming.core.histogram import BOUNDS_MS

if TYPE_CHECKING:
    from betting.config import Config

_DAY_SECONDS = 86_400.0
#: The most that a market's id takes of a message: 19 digits and a separator, in base64.
_MESSAGE_BYTES_PER_MARKET = 30
_PORT: Limits = (1, 65_535)
_DAYS: Limits = (1, 36_500)

_THRESHOLDS = [each.name for each in fields(HealthPolicy) if each.type == "Thresholds"]

#: The limits of every number in the tree, both inclusive.
LIMITS: Mapping[str, Limits] = {
    "movement.major_price_move": (0.0, 10.0),
    "movement.major_probability_move": (0.0, 1.0),
    "movement.major_point_move": (0.0, 1_000.0),
    "matching.same_start_minutes": (0.0, 1_440.0),
    "matching.doubtful_start_hours": (0.0, 168.0),
    "matching.similar_ratio": (0.0, 1.0),
    "coalesce.batch_changes": (1, 100_000),
    "coalesce.batch_ms": (0, 10_000),
    "coalesce.debounce_ms": (0, 10_000),
    "coalesce.shards": (1, 64),
    "coalesce.buffer_max_markets": (1, 10_000_000),
    "coalesce.marker_ttl_ms": (100, 600_000),
    "coalesce.recompute_markets": (1, 100_000),
    "valuation.min_books": (1, 1_000),
    "valuation.min_booksum": (0.01, 10.0),
    "valuation.max_booksum": (0.01, 10.0),
    "valuation.outlier_mads": (0.1, 1_000.0),
    "valuation.outlier_floor": (0.0, 100.0),
    "valuation.max_exchange_width": (0.0, 100.0),
    "valuation.min_edge_ev": (-1.0, 10.0),
    "valuation.kelly_fraction": (0.0, 1.0),
    "valuation.kelly_cap": (0.0, 1.0),
    "valuation.suspicious_ev": (0.0, 10.0),
    "valuation.in_play_seconds": (1.0, 900.0),
    "fetch.connect_timeout_seconds": (0.01, 600.0),
    "fetch.read_timeout_seconds": (0.01, 600.0),
    "fetch.total_timeout_seconds": (0.01, 600.0),
    "fetch.max_body_bytes": (1_024, 1_073_741_824),
    "poll.tick_seconds": (0.1, 60.0),
    "poll.dedupe_ms": (0, 60_000),
    "poll.interval_seconds": (0.5, _DAY_SECONDS),
    "poll.jitter_fraction": (0.0, 0.5),
    "poll.slowest_interval_seconds": (0.5, _DAY_SECONDS),
    "poll.stale_after_seconds": (1.0, _DAY_SECONDS),
    "poll.max_unreadable_share": (0.0, 1.0),
    "circuit.open_after_failures": (1, 1_000),
    "circuit.failure_rate": (0.0, 1.0),
    "circuit.slow_call_rate": (0.0, 1.0),
    "circuit.slow_call_seconds": (0.001, 600.0),
    "circuit.window_calls": (1, 1_000),
    "circuit.min_calls": (1, 1_000),
    "circuit.jitter_fraction": (0.0, 1.0),
    "circuit.close_after_successes": (1, 1_000),
    "circuit.forget_after_seconds": (0.0, _DAY_SECONDS),
    "circuit.probe_lease_seconds": (1.0, 3_600.0),
    "staleness.quantile": (0.5, 1.0),
    "staleness.takeover_seconds": (1.0, 86_400.0),
    "staleness.cap_seconds": (1.0, 1_600.0),  # the range of the histogram of gaps
    "sweep.interval_seconds": (0.1, 3_600.0),
    "sweep.dirty_after_ms": (1, 3_600_000),
    "sweep.max_markets": (1, 1_000_000),
    "bus.route_cache_ms": (0, 60_000),
    "bus.message_events": (1, 200),
    "bus.max_waiting": (1, 1_000_000),
    "bus.connect_timeout_seconds": (0.01, 600.0),
    "bus.total_timeout_seconds": (0.01, 600.0),
    "suppression.after_failures": (1, 1_000),
    "suppression.first_seconds": (0.01, 3_600.0),
    "suppression.max_seconds": (0.01, 86_400.0),
    "suppression.window": (1, 1_000),
    "celery.visibility_timeout_seconds": (1, 3_600),
    "celery.socket_timeout_seconds": (0.1, 600.0),
    "celery.task_soft_limit_seconds": (1, 3_600),
    "celery.task_hard_limit_seconds": (1, 3_600),
    "celery.io_threads": (1, 1_000),
    "celery.value_processes": (1, 256),
    "celery.max_message_bytes": (1_024, 134_217_728),
    "dead_letters.max_rows": (1, 1_000_000),
    "dead_letters.max_deliveries": (2, 100),
    "dead_letters.max_payload_bytes": (0, 65_536),
    "dead_letters.spool_letters": (0, 1_000_000),
    "dead_letters.spool_bytes": (0, 10_737_418_240),
    "dead_letters.store_seconds": (0.1, 3_600.0),
    "dead_letters.replay_per_second": (1, 10_000),
    "dead_letters.replay_timeout_seconds": (1.0, _DAY_SECONDS),
    "retention.poll_run_days": _DAYS,
    "retention.circuit_transition_days": _DAYS,
    "retention.delivery_run_days": _DAYS,
    "retention.recompute_run_days": _DAYS,
    "retention.line_change_days": _DAYS,
    "retention.closed_edge_days": _DAYS,
    "retention.event_days": _DAYS,
    "retention.task_result_days": _DAYS,
    "retention.dead_letter_occurrence_days": _DAYS,
    "retention.dead_letter_action_days": _DAYS,
    "sentry.traces_sample_rate": (0.0, 1.0),
    "retention.health_snapshot_days": _DAYS,
    "health.interval_seconds": (1.0, 300.0),
    "health.starting_seconds": (0.0, 3_600.0),
    "health.probe_seconds": (0.05, 30.0),
    "health.objective": (0.0, 0.99999),
    "health.major_ms": (BOUNDS_MS[0], BOUNDS_MS[-1]),
    "health.batch_ms": (BOUNDS_MS[0], BOUNDS_MS[-1]),
    "health.min_changes": (1, 1_000_000),
    "retention.admin_log_days": _DAYS,
    "web.port": _PORT,
    "web.flower_port": _PORT,
    "web.simulator_port": _PORT,
    "api.user_per_minute": (1, 1_000_000),
    "api.anonymous_per_minute": (1, 1_000_000),
    "api.stream_connections": (0, 1_000),
    "api.stream_poll_ms": (10, 60_000),
    "api.stream_heartbeat_seconds": (0.1, 600.0),
    "api.stream_max_seconds": (0.1, _DAY_SECONDS),
    "api.stream_overlap_seconds": (0.0, 600.0),
    "api.stream_replay_seconds": (0.0, _DAY_SECONDS),
}


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


def _below(first: str, second: str, reason: str = "") -> Rule:
    """Require one field to be below another; give a reason if it is not obvious."""
    words = "the first must be below the second"
    return _compared(first, second, lt, f"{reason}, so {words}" if reason else words)


def _not_above(first: str, second: str) -> Rule:
    """Require one field not to be above another."""
    return _compared(first, second, le, "the first must not be above the second")


def _compared(first: str, second: str, holds: Callable[[float, float], bool], words: str) -> Rule:
    values = attrgetter(first, second)
    return Rule((first, second), words, lambda config: holds(*values(config)))


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
        ("redis_url",),
        "must look like redis://, rediss:// or unix:// with a host or a socket path",
        lambda c: c.redis_url is None or _is_redis_url(c.redis_url),
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
    _below("valuation.min_booksum", "valuation.max_booksum"),
    _not_above("fetch.connect_timeout_seconds", "fetch.total_timeout_seconds"),
    _not_above("fetch.read_timeout_seconds", "fetch.total_timeout_seconds"),
    _below(
        "fetch.total_timeout_seconds",
        "celery.task_soft_limit_seconds",
        "a poll must be able to end by its own deadline",
    ),
    _not_above("bus.connect_timeout_seconds", "bus.total_timeout_seconds"),
    _below(
        "bus.total_timeout_seconds",
        "celery.task_soft_limit_seconds",
        "a delivery must be able to end by its own deadline",
    ),
    _not_above("suppression.first_seconds", "suppression.max_seconds"),
    _below("celery.task_soft_limit_seconds", "celery.task_hard_limit_seconds"),
    Rule(
        (
            "coalesce.batch_ms",
            "coalesce.debounce_ms",
            "celery.task_hard_limit_seconds",
            "celery.visibility_timeout_seconds",
        ),
        "a message that counts down and runs beyond the visibility timeout is delivered twice, so"
        " the first three together must be below the fourth",
        lambda c: (
            _window_ms(c) + 1_000 * c.celery.task_hard_limit_seconds
            < 1_000 * c.celery.visibility_timeout_seconds
        ),
    ),
    Rule(
        ("coalesce.recompute_markets", "celery.max_message_bytes"),
        "a message of so many markets would be too large to be run, so the second must be at least"
        f" {_MESSAGE_BYTES_PER_MARKET} times the first",
        lambda c: (
            _MESSAGE_BYTES_PER_MARKET * c.coalesce.recompute_markets <= c.celery.max_message_bytes
        ),
    ),
    _below(
        "coalesce.debounce_ms",
        "coalesce.marker_ttl_ms",
        "a marker must outlive its message",
    ),
    Rule(
        ("coalesce.batch_ms", "coalesce.debounce_ms", "sweep.dirty_after_ms"),
        "the sweeper must not run ahead of the usual way, so the first two together must be below"
        " the third",
        lambda c: _window_ms(c) < c.sweep.dirty_after_ms,
    ),
    _not_above("poll.tick_seconds", "poll.interval_seconds"),
    _below(
        "poll.interval_seconds",
        "poll.stale_after_seconds",
        "quotes would be stale between two polls",
    ),
    Rule(
        ("circuit.backoff_seconds",),
        "must be one wait or more, each above 0 and at most a day",
        lambda c: (
            bool(c.circuit.backoff_seconds)
            and all(0 < seconds <= _DAY_SECONDS for seconds in c.circuit.backoff_seconds)
        ),
    ),
    Rule(
        ("retention.line_change_days", "retention.closed_edge_days", "retention.event_days"),
        "an event is kept as long as its history, so neither of the first two must be above the"
        " third",
        lambda c: (
            max(c.retention.line_change_days, c.retention.closed_edge_days)
            <= c.retention.event_days
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
            (f"health.{name}",),
            "must be a warning's threshold, above 0, and a failure's, not below it",
            lambda c, name=name: _is_ascending(getattr(c.health, name)),  # type: ignore[misc]  # as above
        )
        for name in _THRESHOLDS
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


def _is_database_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in {"postgres", "postgresql"} and has_valid_port and len(parts.path) > 1


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if parts.scheme == "unix":
        return parts.path.startswith("/")
    return parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and has_valid_port


def _is_dsn(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_addressed = parts.scheme in {"http", "https"} and bool(parts.hostname) and has_valid_port
    return is_addressed and bool(parts.username) and parts.path.rpartition("/")[2].isdecimal()
