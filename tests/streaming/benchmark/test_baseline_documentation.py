"""The documented fields of a baseline are those of the code, no more and no fewer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from betting.config import CHECKOUT
from streaming.benchmark.baseline import SCHEMA, Baseline, Distribution
from streaming.benchmark.compare import TARGETS

DOCUMENT = (CHECKOUT / "docs" / "baseline.md").read_text()
ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def paths(struct: Any, prefix: str = "") -> Iterator[str]:
    """Every field, by its path; ``*`` stands for a key."""
    for name, kind in get_type_hints(struct).items():
        is_dict = get_origin(kind) is dict
        path = f"{prefix}{name}{'.*' if is_dict else ''}"
        value = get_args(kind)[1] if is_dict else kind
        if value is not Distribution and msgspec.inspect.is_struct_type(value):
            yield from paths(value, f"{path}.")
        else:
            yield path


def test_every_field_is_documented_and_every_documented_field_exists() -> None:
    _, table = DOCUMENT.split("## The document")
    assert ROW.findall(table) == list(paths(Baseline))


def test_the_documented_schema_is_that_of_the_code() -> None:
    assert f"This is schema {SCHEMA}." in DOCUMENT


def test_every_target_is_documented_with_what_is_wanted() -> None:
    for target in TARGETS:
        assert f"| {target.name} | {target} |" in DOCUMENT
