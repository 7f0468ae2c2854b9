"""A tree of frozen dataclasses, read from environment variables with all problems at once.

A field is a setting if it is annotated with a `msgspec.Meta`, which holds its limits:
``Annotated[int, Setting(ge=1, le=64)]``, where ``Setting`` is msgspec's own class. So a pure
policy marks its settings without knowing of this module. A field without one is a constant.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta as Setting

from betting.config.secret_files import secret_text
from streaming.core.texts import did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
Values = dict[str, Any]

COUNTED = (
    "books", "changes", "connections", "failures", "markets", "messages", "processes", "rows",
    "threads",
)  # fmt: skip
UNITS = {
    "ms": "ms",
    "seconds": "s",
    "minutes": "min",
    "hours": "h",
    "days": "days",
    "minute": "per minute",
    **{noun: noun for noun in COUNTED},
}
"""The last word of a setting's name → its unit; any other is a fraction, a ratio or no number."""


class ConfigError(Exception):
    """The environment does not describe a usable configuration.

    Attributes:
        problems: one line each, naming the variable; never the value of a secret.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"The configuration has {len(self.problems)} problem(s):\n{lines}")


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable and the field of the tree that it sets.

    Attributes:
        name: the variable, e.g. ``HARDLINE_POLL_INTERVAL_SECONDS``.
        path: the field, dotted from the root of the tree, e.g. ``poll.interval_seconds``.
        type: the field's resolved type.
        default: the field's default, or `dataclasses.MISSING`.
        setting: its limits, both inclusive.
        is_secret: its value appears in no message.
        description: the field's entry under "Attributes" in its dataclass's docstring.
    """

    name: str
    path: str
    type: Any
    default: object
    setting: Setting
    is_secret: bool
    description: str

    @property
    def limits(self) -> tuple[float, float] | None:
        """The smallest and the largest value; None if it is no number."""
        low, high = self.setting.ge, self.setting.le
        return None if low is None or high is None else (low, high)

    @property
    def is_live(self) -> bool:
        """Return True if operators may change it while everything runs."""
        return bool((self.setting.extra or {}).get("live"))

    @property
    def unit(self) -> str:
        """The unit of its value, such as ``ms``, which is the end of its name; or nothing."""
        return UNITS.get(self.path.rpartition("_")[2], "")

    def text(self, environ: Mapping[str, str]) -> str:
        """Return the variable's text in an environment; that of a secret may be in a file.

        Raises:
            ValueError: the secret's file cannot be read, or its value is set as well.
        """
        if self.is_secret:
            return secret_text(self.name, environ)
        return environ.get(self.name, "").strip()

    def parse(self, text: str) -> object:
        """Convert the variable's text.

        Raises:
            ValueError: the text does not have the type, or the value is out of the limits.
        """
        if self.type in {Path, Path | None}:
            return Path(text)
        is_tuple = typing.get_origin(self.type) is tuple
        raw = [item.strip() for item in text.split(",") if item.strip()] if is_tuple else text
        try:
            value = convert(raw, self.type)
        except msgspec.ValidationError as error:
            shown = "the value given" if self.is_secret else repr(text)
            raise ValueError(f"{shown} is not {expectation(self.type, text)}") from error
        if self.limits is not None:
            low, high = self.limits
            if not low <= value <= high:
                raise ValueError(f"{text} is not between {low:g} and {high:g}")
        return value


def convert(raw: object, type_: Any) -> Any:
    """Convert text to a type the way msgspec reads it: ``true``/``1``, ``30``, ``0.5``."""
    return msgspec.convert(raw, type_, strict=False)


def expectation(type_: Any, text: str) -> str:
    """Describe what a type accepts; for a choice, also the choice nearest to the text.

    >>> expectation(int, "many")
    'a whole number'
    >>> expectation(typing.Literal["shin", "power"], "powr")
    'one of shin, power; did you mean power?'
    """
    if typing.get_origin(type_) is typing.Literal:
        choices = typing.get_args(type_)
        return f"one of {', '.join(choices)}{did_you_mean(text, choices)}"
    names = {int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(type_, f"a valid {getattr(type_, '__name__', type_)}")


def variables(tree: type[DataclassInstance], prefix: str, parent: str = "") -> Iterator[Variable]:
    """Yield the settings of a tree: a field that is a dataclass is a section of the tree.

    A field's metadata may hold ``env`` (a name other than the derived one) and ``is_secret``.
    """
    hints = typing.get_type_hints(tree, include_extras=True)
    described = attribute_descriptions(tree)
    for field in dataclasses.fields(tree):
        path = f"{parent}{field.name}"
        if dataclasses.is_dataclass(hints[field.name]):
            yield from variables(hints[field.name], prefix, f"{path}.")
            continue
        type_, setting = _split(hints[field.name])
        if setting is None:
            continue
        yield Variable(
            name=field.metadata.get("env", f"{prefix}{path.replace('.', '_')}".upper()),
            path=path,
            type=type_,
            default=field.default,
            setting=setting,
            is_secret=field.metadata.get("is_secret", False),
            description=described.get(field.name, ""),
        )


def _split(hint: Any) -> tuple[Any, Setting | None]:
    """Return a field's type and what marks it as a setting."""
    if typing.get_origin(hint) is not Annotated:
        return hint, None
    type_, *metadata = typing.get_args(hint)
    return type_, next((each for each in metadata if isinstance(each, Setting)), None)


def read(known: Iterable[Variable], environ: Mapping[str, str]) -> tuple[Values, dict[str, str]]:
    """Parse the variables that are set; an empty one counts as not set.

    Returns:
        The values by path, and the problems by path. No path is in both.
    """
    values: Values = {}
    problems: dict[str, str] = {}
    for variable in known:
        try:
            text = variable.text(environ)
        except ValueError as error:
            problems[variable.path] = str(error)
            continue
        if not text:
            continue
        try:
            values[variable.path] = variable.parse(text)
        except ValueError as error:
            problems[variable.path] = f"{variable.name}: {error}"
    return values, problems


def build(tree: type[T], values: Values, parent: str = "") -> T:
    """Build the tree; a path without a value keeps its default."""
    hints = typing.get_type_hints(tree)
    arguments: Values = {}
    for field in dataclasses.fields(tree):
        path = f"{parent}{field.name}"
        if dataclasses.is_dataclass(hints[field.name]):
            arguments[field.name] = build(hints[field.name], values, f"{path}.")
        elif path in values:
            arguments[field.name] = values[path]
    return tree(**arguments)


def parse_env_file(text: str) -> dict[str, str]:
    r"""Read the lines of a ``.env`` file: ``NAME=value``, with comments and quotes allowed.

    >>> parse_env_file("# a comment\nHARDLINE_WEB_PORT=8001\nHARDLINE_WEB_HOST='::1'")
    {'HARDLINE_WEB_PORT': '8001', 'HARDLINE_WEB_HOST': '::1'}
    """
    values = {}
    for line in text.splitlines():
        name, is_assignment, value = line.strip().partition("=")
        if is_assignment and not name.startswith("#"):
            values[name.strip()] = value.strip().strip("'\"")
    return values


def attribute_descriptions(tree: type) -> dict[str, str]:
    """Read the "Attributes" part of a Google-style docstring: field name → its text on one line."""
    body = inspect.getdoc(tree) or ""
    _, _, listing = body.partition("Attributes:\n")
    listing = listing.split("\n\n", 1)[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", listing, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
