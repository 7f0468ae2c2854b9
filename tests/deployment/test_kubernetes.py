"""The manifests, against the code that they start: what no schema can see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from betting.config import CHECKOUT, load
from streaming.core.health import HealthPolicy
from streaming.management.commands import role as role_command
from streaming.runner.processes import ROLES

FOLDER = CHECKOUT / "docker" / "kubernetes"
BASE = FOLDER / "base"
IN_A_CLUSTER = set(ROLES) - {"simulator"}
SECRETS = Path("/run/secrets/hardline")
WORKERS = {role for role in IN_A_CLUSTER if role.startswith("worker-")}


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


@pytest.fixture(scope="module")
def base() -> dict[tuple[str, str], dict[str, Any]]:
    """Kind and name → each object that the base lists."""
    (listing,) = documents(BASE / "kustomization.yaml")
    objects = [each for name in listing["resources"] for each in documents(BASE / name)]
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


@pytest.fixture(scope="module")
def scaled() -> dict[str, dict[str, Any]]:
    """Name of a Deployment → what scales it."""
    objects = documents(FOLDER / "overlays" / "large" / "scaling.yaml")
    return {each["spec"]["scaleTargetRef"]["name"]: each["spec"] for each in objects}


def pods(base: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: each["spec"]["template"]["spec"]
        for (kind, name), each in base.items()
        if kind in {"Deployment", "Job"}
    }


def containers(base: dict[tuple[str, str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: pod["containers"][0] for name, pod in pods(base).items()}


def test_every_role_is_in_the_base(base: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert {name: each["args"] for name, each in containers(base).items()} == {
        role: [role] for role in (*IN_A_CLUSTER, role_command.MIGRATE)
    }


def test_every_file_of_the_base_is_listed() -> None:
    (listing,) = documents(BASE / "kustomization.yaml")
    there = {path.name for path in BASE.glob("*.yaml")}
    assert there == {*listing["resources"], "kustomization.yaml"}


def test_every_setting_is_one_that_hardline_knows(tmp_path: Path) -> None:
    for name in ("database_url", "redis_url", "secret_key", "health_token"):
        scheme = {"database_url": "postgresql://db/odds", "redis_url": "redis://cache/0"}
        (tmp_path / name).write_text(scheme.get(name, "0123456789abcdef" * 2))
    lines = (BASE / "hardline.env").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    environ = {name: text.replace(str(SECRETS), str(tmp_path)) for name, text in settings.items()}
    config = load({"HARDLINE_HOME": "/var/lib/hardline/home", **environ})
    assert config.database_url == "postgresql://db/odds"
    assert config.web.is_https
    # The header of the probes.
    assert "localhost" in config.web.allowed_hosts


def test_a_role_may_wait_for_its_tables(base: dict[tuple[str, str], dict[str, Any]]) -> None:
    for role in IN_A_CLUSTER:
        probe = containers(base)[role]["startupProbe"]
        seconds = probe["periodSeconds"] * probe["failureThreshold"]
        assert seconds > role_command.WAIT_SECONDS


def test_a_lost_broker_restarts_no_worker(base: dict[tuple[str, str], dict[str, Any]]) -> None:
    for role in IN_A_CLUSTER - {"web", "flower"}:
        probe = containers(base)[role]["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= 600
        assert probe["exec"]["command"][-1] == role


def test_a_worker_has_the_time_to_end_its_tasks(
    base: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert all(pods(base)[role]["terminationGracePeriodSeconds"] > 25 for role in IN_A_CLUSTER)


def test_no_pod_is_root_or_writes_to_its_image(
    base: dict[tuple[str, str], dict[str, Any]],
) -> None:
    for pod in pods(base).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        inside = pod["containers"][0]["securityContext"]
        assert inside["readOnlyRootFilesystem"] is True
        assert inside["allowPrivilegeEscalation"] is False
        assert inside["capabilities"] == {"drop": ["ALL"]}


def test_every_pod_says_what_it_needs(base: dict[tuple[str, str], dict[str, Any]]) -> None:
    for container in containers(base).values():
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_selectors_find_the_pods_they_mean(base: dict[tuple[str, str], dict[str, Any]]) -> None:
    for (kind, name), each in base.items():
        if kind in {"Service", "PodDisruptionBudget"}:
            selector = each["spec"]["selector"]
            labels = selector.get("matchLabels", selector)
            template = base["Deployment", name]["spec"]["template"]
            assert labels.items() <= template["metadata"]["labels"].items()


def test_a_budget_holds_each_role_of_which_there_are_several(
    base: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert {name for kind, name in base if kind == "PodDisruptionBudget"} == {"web", *WORKERS}


def test_the_ingress_lets_a_stream_live(base: dict[tuple[str, str], dict[str, Any]]) -> None:
    notes = base["Ingress", "web"]["metadata"]["annotations"]
    assert notes["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert int(notes["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > 300


def test_every_worker_is_scaled_by_depth_and_age(scaled: dict[str, dict[str, Any]]) -> None:
    assert scaled.keys() == WORKERS
    for spec in scaled.values():
        depth, age = spec["triggers"]
        assert "hardline_queue_messages{" in depth["metadata"]["query"]
        assert "hardline_queue_oldest_seconds{" in age["metadata"]["query"]
        assert spec["minReplicaCount"] < spec["maxReplicaCount"]


def test_workers_are_added_before_a_health_check_warns(
    scaled: dict[str, dict[str, Any]],
) -> None:
    policy = HealthPolicy()
    for spec in scaled.values():
        depth, age = (float(trigger["metadata"]["threshold"]) for trigger in spec["triggers"])
        assert depth < policy.queue_messages[0]
        assert age < policy.queue_seconds[0]


def test_a_worker_is_scaled_by_the_queues_that_it_takes_from(
    scaled: dict[str, dict[str, Any]],
) -> None:
    config = load({"HARDLINE_HOME": "/srv"})
    for role, spec in scaled.items():
        command = ROLES[role](config).command
        queues = command[command.index("--queues") + 1].split(",")
        for trigger in spec["triggers"]:
            assert f'"{"|".join(queues)}"' in trigger["metadata"]["query"]
