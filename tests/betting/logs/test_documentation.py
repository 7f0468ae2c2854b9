"""docs/logging.md and the schema say the same."""

from __future__ import annotations

import re

from betting.config import CHECKOUT
from betting.log_schema import ACTIONS, FIELDS, Facts
from streaming.core.redaction import is_secret
from tests.support.logs import documented_facts


def test_every_field_is_documented_and_no_other() -> None:
    text = (CHECKOUT / "docs" / "logging.md").read_text().partition("## Fields")[2]
    rows = [row for row in text.partition("## Actions")[0].splitlines() if row.startswith("| `")]
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(documented) == sorted(FIELDS)


def test_every_action_is_documented_with_facts_that_there_are() -> None:
    assert documented_facts().keys() == ACTIONS
    named = set[str]().union(*documented_facts().values())
    assert named == set(Facts.__annotations__)


def test_no_fact_has_the_name_of_a_secret() -> None:
    assert [name for name in FIELDS if is_secret(name)] == []
