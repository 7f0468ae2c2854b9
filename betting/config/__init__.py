"""Hardline's configuration: one typed tree, of the environment and of operators' changes."""

from betting.config.live import get_config
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
