"""docs/notifications.md and the structs say the same."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from streaming.core.notifications import STRUCTS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text("utf-8")
COMMON = ("id", "occurred_at", "type")


def described() -> dict[str, set[str]]:
    """Type → the fields that the document's section about it lists."""
    sections = re.split(r"^### `([\w.]+)`$", DOCUMENT, flags=re.MULTILINE)
    return {
        name: set(re.findall(r"^\| `(\w+)` \|", text.split("\n## ")[0], re.MULTILINE))
        for name, text in zip(sections[1::2], sections[2::2], strict=True)
    }


def listed(heading: str) -> set[str]:
    """The fields in the table below a heading."""
    text = DOCUMENT.split(f"## {heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def fields(name: str) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(STRUCTS[name])}


def test_every_type_has_its_section_and_no_other_has() -> None:
    assert described().keys() == STRUCTS.keys()


@pytest.mark.parametrize("name", STRUCTS)
def test_a_section_lists_the_fields_of_its_struct(name: str) -> None:
    shared = listed("Every notification") | (
        listed("Notifications about a market") if "market_id" in fields(name) else set()
    )
    assert described()[name] | shared == fields(name) | {"type"}
    assert not described()[name] & shared


def test_the_fields_of_every_event_are_listed_once() -> None:
    assert listed("Every notification") == set(COMMON)
