from __future__ import annotations

from pathlib import Path

import pytest

from betting import timing
from betting.config import Config, default_home, known_variables, load
from betting.config.env import ConfigError
from betting.config.rules import RULES
from streaming.dead_letters import transport
from streaming.notifications import webhooks

HOME = {"HARDLINE_HOME": "/srv/hardline"}


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(HOME | environ)
    return caught.value.problems


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load(HOME) == Config(Path("/srv/hardline"))


def test_every_section_is_read_from_the_environment() -> None:
    config = load(
        HOME
        | {
            "HARDLINE_MOVEMENT_MAJOR_PRICE_MOVE": "0.08",
            "HARDLINE_COALESCE_DEBOUNCE_MS": "0",
            "HARDLINE_VALUATION_METHOD": "shin",
            "HARDLINE_LOG_LEVEL": "DEBUG",
            "HARDLINE_WEB_DEBUG": "true",
            "HARDLINE_WEB_ALLOWED_HOSTS": "odds.local, 10.0.0.7",
            "DATABASE_URL": "postgresql://db.local/odds",
        }
    )
    assert config.movement.major_price_move == 0.08
    assert config.coalesce.debounce_ms == 0
    assert config.valuation.method == "shin"
    assert config.log.level == "DEBUG"
    assert config.web.debug is True
    assert config.web.allowed_hosts == ("odds.local", "10.0.0.7")
    assert config.database_url == "postgresql://db.local/odds"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(HOME | {"HARDLINE_WEB_PORT": "", "REDIS_URL": " "}) == load(HOME)


def test_all_problems_are_listed_at_once() -> None:
    found = problems(
        HARDLINE_COALESE_BATCH_MS="1",
        HARDLINE_WEB_PORT="http",
        HARDLINE_LOG_FORMAT="jsn",
        HARDLINE_POLL_MAX_UNREADABLE_SHARE="1.9",
        HARDLINE_POLL_INTERVAL_SECONDS="120",
    )
    contradiction = (
        "HARDLINE_POLL_INTERVAL_SECONDS and HARDLINE_POLL_STALE_AFTER_SECONDS:"
        " quotes would be stale between two polls, so the first must be below the second"
    )
    assert found == (
        "HARDLINE_COALESE_BATCH_MS: unknown; did you mean HARDLINE_COALESCE_BATCH_MS?",
        "HARDLINE_POLL_MAX_UNREADABLE_SHARE: 1.9 is not between 0 and 1",
        "HARDLINE_LOG_FORMAT: 'jsn' is not one of auto, json, ecs, console; did you mean json?",
        "HARDLINE_WEB_PORT: 'http' is not a whole number",
        contradiction,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HARDLINE_POLL_INTERVAL_SECONDS", "nan"),
        ("HARDLINE_POLL_INTERVAL_SECONDS", "inf"),
        ("HARDLINE_WEB_PORT", "80.5"),
        ("HARDLINE_WEB_PORT", "65536"),
        ("HARDLINE_WEB_DEBUG", "maybe"),
        ("HARDLINE_HOME", "relative/path"),
        ("HARDLINE_RUNTIME_DIR", "run"),
        ("HARDLINE_SECRET_KEY", "short"),
        ("DATABASE_URL", "mysql://db.local/odds"),
        ("DATABASE_URL", "postgresql://db.local"),
        ("DATABASE_URL", "postgresql://db.local:port/odds"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "unix://"),
        ("REDIS_URL", "http://cache.local"),
        ("REDIS_URL", "redis+sentinel://:pw@a.local,b.local"),
        ("REDIS_URL", "redis+sentinel://:pw@a.local,:26379/odds/0"),
        ("REDIS_URL", "redis+sentinel://:pw@a.local:port/odds/0"),
        ("REDIS_URL", "redis+sentinel://:pw@a.local/odds/first"),
        ("REDIS_URL", "redis+sentinel://:pw@a.local/odds/0?sentinel_pasword=x"),
        ("BROKER_URL", "amqp://"),
        ("BROKER_URL", "redis://cache.local/0"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_variable(name: str, value: str) -> None:
    assert [problem.partition(":")[0] for problem in problems(**{name: value})] == [name]


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"HARDLINE_MATCHING_DOUBTFUL_START_HOURS": "0.4"}, "HARDLINE_MATCHING_SAME_START_MINUTES"),
        ({"HARDLINE_COALESCE_BATCH_MS": "1900"}, "HARDLINE_SWEEP_DIRTY_AFTER_MS"),
        ({"DATABASE_SESSION_URL": "postgresql://db.local/odds"}, "DATABASE_URL"),
        ({"DATABASE_REPLICA_URL": "postgresql://db.local/odds"}, "DATABASE_URL"),
        (
            {
                "HARDLINE_COALESCE_DEBOUNCE_MS": "4750",
                "HARDLINE_SWEEP_DIRTY_AFTER_MS": "20000",
            },
            "visibility timeout",
        ),
        ({"HARDLINE_POLL_INTERVAL_SECONDS": "120"}, "HARDLINE_POLL_STALE_AFTER_SECONDS"),
        ({"HARDLINE_WEB_FLOWER_PORT": "8000"}, "HARDLINE_WEB_SIMULATOR_PORT"),
    ],
)
def test_values_that_contradict_each_other_are_one_problem_that_names_them(
    environ: dict[str, str], named: str
) -> None:
    (problem,) = problems(**environ)
    assert named in problem


def test_a_secret_appears_in_no_message_and_no_repr() -> None:
    config = load(
        HOME
        | {
            "HARDLINE_SECRET_KEY": "hunter2-" * 8,
            "DATABASE_URL": "postgresql://ana:hunter2@db.local/odds",
            "DATABASE_SESSION_URL": "postgresql://ana:hunter2@db.local/odds",
            "DATABASE_REPLICA_URL": "postgresql://ana:hunter2@db.local/odds",
            "BROKER_URL": "amqp://ana:hunter2@mq.local/odds",
            "REDIS_URL": "redis://:hunter2@cache.local/0",
        }
    )
    assert "hunter2" not in repr(config)
    found = problems(
        HARDLINE_SECRET_KEY="hunter2",
        DATABASE_URL="mysql://ana:hunter2@db.local/odds",
        REDIS_URL="redis://:hunter2@:x/",
        HARDLINE_SECRET_KEYS="hunter2",
    )
    assert len(found) == 4
    assert "hunter2" not in "\n".join(found)


def test_other_programs_variables_are_left_alone() -> None:
    others = {"HARDLINE_SIMULATOR_KEY": "k", "PATH": "/bin", "ODDS_API_KEY": "k"}

    assert load(HOME | others) == load(HOME)


def test_every_number_has_limits_that_its_default_keeps() -> None:
    numbers = [variable for variable in known_variables() if variable.type in {int, float}]

    assert numbers
    for number in numbers:
        assert number.limits is not None, number.name
        assert isinstance(number.default, int | float)
        assert number.limits[0] <= number.default <= number.limits[1], number.name


def test_every_setting_lies_between_the_constants_around_it() -> None:
    limits = {variable.path: variable.limits for variable in known_variables()}
    config = load(HOME)
    fetch, bus = limits["fetch.total_timeout_seconds"], limits["bus.total_timeout_seconds"]
    polls = limits["poll.interval_seconds"]
    assert fetch is not None
    assert bus is not None
    assert polls is not None

    # A poll and a delivery must be able to end by their own deadlines.
    assert max(config.fetch.connect_timeout_seconds, config.fetch.read_timeout_seconds) <= fetch[0]
    assert bus[0] >= webhooks.CONNECT_TIMEOUT_SECONDS
    assert max(fetch[1], bus[1]) < timing.TASK_SOFT_LIMIT_SECONDS
    assert polls[0] >= timing.TICK_SECONDS


def test_the_constants_do_not_contradict_each_other() -> None:
    config = load(HOME)
    longest_window_ms = 1_000 * (timing.VISIBILITY_TIMEOUT_SECONDS - timing.TASK_HARD_LIMIT_SECONDS)
    id_bytes = 30  # 19 digits and a separator, in base64

    assert timing.TASK_SOFT_LIMIT_SECONDS < timing.TASK_HARD_LIMIT_SECONDS
    assert timing.REDIS_TIMEOUT_SECONDS < timing.TASK_SOFT_LIMIT_SECONDS
    assert 0 < longest_window_ms <= config.coalesce.marker_ttl_ms
    assert id_bytes * config.coalesce.recompute_markets <= transport.MAX_MESSAGE_BYTES
    assert config.suppression.first_seconds <= config.suppression.max_seconds
    assert config.valuation.min_booksum < config.valuation.max_booksum
    assert config.circuit.min_calls <= config.circuit.window_calls
    assert config.retention.event_days >= config.retention.history_days


def test_every_rule_is_about_settings_that_exist() -> None:
    paths = {variable.path for variable in known_variables()}

    assert all(paths.issuperset(rule.paths) for rule in RULES)


def test_a_user_without_a_home_directory_has_to_name_the_state_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigError, match="has to be set"):
        load({})
    assert load({"HARDLINE_HOME": str(tmp_path)}).home == tmp_path


def test_the_default_home_follows_the_users_state_directory() -> None:
    usual = default_home({"HOME": "/home/ana"})

    assert usual.parent == Path("/home/ana/.local/state/hardline")
    assert default_home({"HOME": "/home/ana", "XDG_STATE_HOME": "/s"}).name == usual.name


@pytest.mark.parametrize(
    "dsn",
    ["sentry.example/1", "https://sentry.example/1", "https://k@sentry.example", "https://k@:0/1"],
)
def test_a_dsn_without_one_of_its_parts_is_refused_and_not_repeated(dsn: str) -> None:
    assert problems(HARDLINE_SENTRY_DSN=dsn) == (
        "HARDLINE_SENTRY_DSN: must look like https://key@host/project",
    )
    assert load(HOME | {"HARDLINE_SENTRY_DSN": "https://k@sentry.example/7"}).sentry.dsn is not None


def test_a_pair_of_thresholds_is_read_from_one_variable() -> None:
    assert load({"HARDLINE_HEALTH_QUEUE_SECONDS": "3, 20"}).health.queue_seconds == (3.0, 20.0)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("HARDLINE_HEALTH_QUEUE_SECONDS", "30,5", "must be a warning's threshold, above 0, and"),
        ("HARDLINE_HEALTH_QUEUE_SECONDS", "30", "'30' is not a valid tuple"),
        ("HARDLINE_HEALTH_MAJOR_MS", "120", "must be one of 5, 10, 25, 50, 100, 250"),
        ("HARDLINE_HEALTH_OBJECTIVE", "1", "is not between 0 and 0.99999"),
        ("HARDLINE_HEALTH_TOKEN", "short", "must have at least 16 characters"),
    ],
)
def test_health_that_makes_no_sense_is_refused(name: str, value: str, problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load({name: value})

    assert problem in str(refused.value)
    assert "short" not in str(refused.value)
