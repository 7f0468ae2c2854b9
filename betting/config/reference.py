"""The configuration's reference: ``.env.example`` and the tables in the documentation."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from itertools import groupby

from betting.config import Config, known_variables
from betting.config.env import Variable, attribute_descriptions
from betting.config.rules import LIMITS

TABLE_START = "<!-- table: manage.py configuration --write -->"
TABLE_END = "<!-- end of table -->"

ENV_INTRODUCTION = """\
# Every setting of Hardline with its default. Copy this file to .env and change what you need.
# `manage.py configuration --write` writes this file; docs/configuration.md explains.
"""


def env_example() -> str:
    """Return the text of ``.env.example``: every variable, commented out, with its default."""
    blocks = [ENV_INTRODUCTION]
    for section, described, variables in _sections():
        if section:
            blocks.append(f"\n# --- {section}: {described} ---\n")
        for variable in variables:
            description = variable.description.replace("``", "")
            blocks.append(f"\n# {description}\n# {variable.name}={default_text(variable)}\n")
    return "".join(blocks)


def markdown_tables() -> str:
    """Return the documentation's tables, one for each section."""
    tables = []
    for section, described, variables in _sections():
        title = f"### `{section}`: {described}" if section else "### Servers and state"
        rows = [
            f"| `{variable.name}` | {_code(default_text(variable))} | {accepted(variable)} |"
            f" {variable.description} |"
            for variable in variables
        ]
        head = ["| variable | default | accepted | what it is |", "| --- | --- | --- | --- |"]
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


def accepted(variable: Variable) -> str:
    """Say what a variable accepts."""
    if typing.get_origin(variable.type) is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(variable.type))
    if variable.path in LIMITS:
        low, high = LIMITS[variable.path]
        return f"{_number(low)} to {_number(high)}"
    return "`true`, `false`" if variable.type is bool else "text"


def _sections() -> Iterator[tuple[str, str, list[Variable]]]:
    """Yield each section's name, description and variables; the root's own have no name."""
    described = attribute_descriptions(Config)
    for section, group in groupby(known_variables(), key=lambda v: v.path.rpartition(".")[0]):
        yield section, described.get(section, "").rstrip("."), list(group)


def _code(text: str) -> str:
    return f"`{text}`" if text else "–"


def _number(value: float) -> str:
    return f"{value:,.10g}"
