"""Hardline's configuration: one typed tree, read from the environment once."""

from betting.config.schema import (
    CHECKOUT,
    ApiConfig,
    BusConfig,
    Config,
    DeadLettersConfig,
    LogConfig,
    PollConfig,
    RetentionConfig,
    SentryConfig,
    SweepConfig,
    WebConfig,
    default_home,
    get_config,
    known_variables,
    load,
)

__all__ = [
    "CHECKOUT",
    "ApiConfig",
    "BusConfig",
    "Config",
    "DeadLettersConfig",
    "LogConfig",
    "PollConfig",
    "RetentionConfig",
    "SentryConfig",
    "SweepConfig",
    "WebConfig",
    "default_home",
    "get_config",
    "known_variables",
    "load",
]
