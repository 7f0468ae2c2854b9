"""The configuration's reference: ``.env.example`` and the tables in the documentation."""

from __future__ import annotations

import dataclasses
import operator
import typing
from collections.abc import Iterator
from itertools import groupby

from betting.config import Config, known_variables
from betting.config.env import Variable, attribute_descriptions

TABLE_START = "<!-- table: manage.py configuration --write -->"
TABLE_END = "<!-- end of table -->"

ENV_INTRODUCTION = """\
# Every setting of Hardline with its default. Copy this file to .env and change what you need.
# `manage.py configuration --write` writes this file; docs/configuration.md explains.
"""


LIVE = " **Live.**"
"""The mark of a setting that can be changed while everything runs."""

MOST_SET = (
    "DATABASE_URL",
    "REDIS_URL",
    "HARDLINE_SECRET_KEY",
    "HARDLINE_WEB_HOST",
    "HARDLINE_WEB_PORT",
    "HARDLINE_WEB_ALLOWED_HOSTS",
    "HARDLINE_CELERY_VALUE_PROCESSES",
    "HARDLINE_POLL_INTERVAL_SECONDS",
    "HARDLINE_LOG_LEVEL",
    "HARDLINE_SENTRY_DSN",
)
"""The settings that most installations set; they come first."""


def env_example() -> str:
    """Return the text of ``.env.example``: every variable, commented out, with its default."""
    blocks = [ENV_INTRODUCTION]
    for section, described, variables in _sections():
        blocks.append(f"\n# --- {section}{': ' if described else ''}{described} ---\n")
        for variable in variables:
            description = variable.description.replace("``", "")
            blocks.append(f"\n# {description}\n# {variable.name}={default_text(variable)}\n")
    return "".join(blocks)


def markdown_tables() -> str:
    """Return the documentation's tables, one for each section."""
    tables = []
    for section, described, variables in _sections():
        title = f"### `{section}`: {described}" if described else f"### {section}"
        rows = [
            f"| `{variable.name}` | {_code(default_text(variable))} | {variable.unit or '–'} |"
            f" {accepted(variable)} | {variable.description}{LIVE if variable.is_live else ''} |"
            for variable in variables
        ]
        head = [
            "| variable | default | unit | accepted | what it is |",
            "| --- | --- | --- | --- | --- |",
        ]
        tables.append("\n".join([title, "", *head, *rows]))
    return "\n\n".join(tables)


def with_tables(document: str) -> str:
    """Return the document with the current tables between their two markers."""
    before, rest = document.split(TABLE_START)
    _, after = rest.split(TABLE_END)
    return f"{before}{TABLE_START}\n\n{markdown_tables()}\n\n{TABLE_END}{after}"


def default_text(variable: Variable) -> str:
    """Write a default the way the environment would."""
    if variable.default is None or variable.default is dataclasses.MISSING:
        return ""
    return value_text(variable.default)


def value_text(value: object) -> str:
    """Write a value the way the environment would.

    >>> value_text(("localhost", "127.0.0.1")), value_text((1.0, 2.0)), value_text(False)
    ('localhost,127.0.0.1', '1.0,2.0', 'false')
    """
    if isinstance(value, tuple):
        return ",".join(map(value_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def text_in(config: Config, variable: Variable) -> str:
    """Write a variable's value in a configuration the way the environment would."""
    value = operator.attrgetter(variable.path)(config)
    return "" if value is None else value_text(value)


def accepted(variable: Variable) -> str:
    """Say what a variable accepts."""
    if typing.get_origin(variable.type) is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(variable.type))
    if variable.limits is not None:
        return " to ".join(map(_number, variable.limits))
    if variable.type == tuple[float, float]:
        return "two numbers above 0"
    is_list = typing.get_origin(variable.type) is tuple
    return (
        "`true`, `false`" if variable.type in {bool, bool | None} else "list" if is_list else "text"
    )


def _sections() -> Iterator[tuple[str, str, list[Variable]]]:
    """Yield each section's title, description and variables; the first two have no description."""
    described = attribute_descriptions(Config)
    known = {variable.name: variable for variable in known_variables()}
    yield "The settings set most often", "", [known.pop(name) for name in MOST_SET]
    for section, group in groupby(known.values(), key=lambda v: v.path.rpartition(".")[0]):
        description = described.get(section, "").rstrip(".")
        yield section or "Servers and state", description, list(group)


def _code(text: str) -> str:
    return f"`{text}`" if text else "–"


def _number(value: float) -> str:
    return f"{value:,.10g}"
