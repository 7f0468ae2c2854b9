from __future__ import annotations

import doctest
import re
from dataclasses import Field, fields
from pathlib import Path

import pytest

from valuation.methods import METHODS
from valuation.policy import ValuationPolicy
from valuation.reasons import Reason

DOCUMENT = Path(__file__).parents[2] / "docs" / "valuation.md"


def test_the_worked_example_is_what_the_engine_computes() -> None:
    result = doctest.testfile(
        str(DOCUMENT), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert result.attempted > 20
    assert result.failed == 0


@pytest.mark.parametrize("name", [*METHODS, *(r.name for r in Reason if r is not Reason.OK)])
def test_every_method_and_every_reason_is_in_a_table(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("field", [f for f in fields(ValuationPolicy) if f.name != "method"])
def test_every_policy_is_named_with_its_default(field: Field[object]) -> None:
    default = getattr(ValuationPolicy(), field.name)
    shown = {0.25: "0.25|¼", 0.02: "2 %"}.get(default, re.escape(f"{default:g}"))
    assert re.search(rf"`{field.name}`\s+\(({shown})\)", DOCUMENT.read_text("utf-8"))
