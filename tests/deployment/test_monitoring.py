"""The alert rules and the dashboard, against the metrics and the checks that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from betting.config import CHECKOUT
from betting.web.documents import section
from streaming.core.health import title
from streaming.health.checks import CHECKS

MONITORING = CHECKOUT / "docker" / "monitoring"
RULES = MONITORING / "rules" / "hardline.yml"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "stream.json"
SCALING = CHECKOUT / "docker" / "kubernetes" / "overlays" / "large" / "scaling.yaml"


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return read


def queries() -> Iterator[str]:
    for panel in panels():
        for target in panel.get("targets", ()):
            yield target["expr"]


def documented_metrics() -> set[str]:
    """The names in the table of docs/health.md, as Prometheus has them."""
    text = (CHECKOUT / "docs" / "health.md").read_text(encoding="utf-8")
    rows = text.partition("| metric |")[2].partition("\n\n")[0].splitlines()[2:]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    return {f"hardline_{name}" for name in names} | {"hardline_change_to_value_seconds_bucket"}


@pytest.mark.parametrize("path", [RULES, DASHBOARD, SCALING], ids=lambda path: path.name)
def test_every_metric_that_is_asked_for_exists(path: Path) -> None:
    asked = set(re.findall(r"hardline_\w+", path.read_text(encoding="utf-8")))
    assert asked
    assert asked <= documented_metrics()


NEVER_FAIL = {"replica"}
"""The checks that warn at worst."""


def test_every_check_has_an_alert_at_its_worst() -> None:
    alerts = {}
    for rule in rules():
        if found := re.search(r'check="(\w+)",status="(\w+)"', rule["expr"]):
            assert found[2] == ("warn" if found[1] in NEVER_FAIL else "fail")
            alerts[found[1]] = rule
    assert alerts.keys() == {judge.__name__ for judge in CHECKS}
    for check, rule in alerts.items():
        assert rule["alert"] == f"Hardline{title(check).title().replace(' ', '')}"
        assert rule["annotations"]["runbook"].endswith(f"#{title(check).replace(' ', '-')}")


def test_every_alert_leads_to_a_heading_of_the_runbook() -> None:
    for rule in rules():
        assert section(rule["annotations"]["runbook"]) is not None
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_every_alert_has_a_test_that_fires_it() -> None:
    cases = yaml.safe_load((MONITORING / "tests" / "hardline.yml").read_text(encoding="utf-8"))
    fired = {
        case["alertname"]
        for test in cases["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in rules()}


def test_panels_do_not_overlap_and_fill_their_rows() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    assert len({panel["id"] for panel in panels()}) == len(panels())


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    recorded = [
        {"record": f"query_{number}", "expr": query} for number, query in enumerate(queries())
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    checked = subprocess.run(
        ["promtool", "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_rules_fire_as_their_tests_say() -> None:
    tested = subprocess.run(
        ["promtool", "test", "rules", MONITORING / "tests" / "hardline.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout
