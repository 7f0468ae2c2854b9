"""Check the deployment files with the tools that are installed; name those that are not.

Run by `make check`. The tools are `docker compose` or the Compose specification's schema that
check-jsonschema ships, kubernetes-validate, promtool (Debian: prometheus) and systemd-analyze.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"
MONITORING = DOCKER / "monitoring"
KUBERNETES = DOCKER / "kubernetes"
BASE = KUBERNETES / "base"
RENDERERS = (("kustomize", "build"), ("kubectl", "kustomize"))

Outcome = str | None
"""What is wrong, empty if nothing is; None if no tool is there to say so."""


def ran(*command: str | Path, directory: Path = ROOT) -> str:
    """Return a tool's output if it fails."""
    done = subprocess.run(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout or f"status {done.returncode}" if done.returncode else ""


def compose() -> Outcome:
    """Check the Compose file."""
    if shutil.which("docker") and not ran("docker", "compose", "version"):
        return ran("docker", "compose", "--file", COMPOSE, "config", "--quiet")
    if importlib.util.find_spec("check_jsonschema") is None:
        return None
    schema = ("--builtin-schema", "vendor.compose-spec")
    return ran(sys.executable, "-m", "check_jsonschema", *schema, COMPOSE)


def kubernetes() -> Outcome:
    """Check the base, and each overlay if something is there that renders it.

    Custom resources, KEDA's, have no published schema in the package: the tests read them.
    """
    if importlib.util.find_spec("kubernetes_validate") is None:
        return None
    validate = (str(Path(sys.executable).with_name("kubernetes-validate")), "--strict")
    base = [path for path in sorted(BASE.glob("*.yaml")) if path.name != "kustomization.yaml"]
    problems = [ran(*validate, *base)]
    render = next((each for each in RENDERERS if shutil.which(each[0])), None)
    if render is None:
        print("Kubernetes: overlays NOT CHECKED, kubectl or kustomize is not installed")
    else:
        overlays = sorted((KUBERNETES / "overlays").iterdir())
        problems += [rendered_problem(render, overlay, validate) for overlay in overlays]
    return "\n".join(filter(None, problems))


def rendered_problem(render: Sequence[str], overlay: Path, validate: Sequence[str]) -> str:
    """Return what is wrong with an overlay as Kustomize renders it."""
    done = subprocess.run([*render, overlay], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stderr
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(done.stdout)
        file.flush()
        return ran(*validate, file.name)


def systemd() -> Outcome:
    """Check the units as `manage.py systemd` writes them."""
    if shutil.which("systemd-analyze") is None:
        return None
    with tempfile.TemporaryDirectory() as directory:
        write = ("manage.py", "systemd", "--dir", directory, "--user", "root")
        if problem := ran(sys.executable, *write):
            return problem
        units = map(str, sorted(Path(directory).iterdir()))
        verify = ["systemd-analyze", "verify", "--man=no", *units]
        done = subprocess.run(verify, capture_output=True, text=True, check=False)
        # A key that does not exist is a warning, with status 0. It warns of other units as well.
        warnings = [line for line in done.stderr.splitlines() if "hardline" in line]
        return "\n".join(warnings) or ("" if done.returncode == 0 else done.stderr)


def prometheus() -> Outcome:
    """Check Prometheus's configuration and rules, and run the rules' tests."""
    if shutil.which("promtool") is None:
        return None
    configuration = MONITORING / "prometheus.yml"
    problems = (
        ran("promtool", "check", "config", "--syntax-only", configuration),
        ran("promtool", "check", "rules", *sorted((MONITORING / "rules").iterdir())),
        ran("promtool", "test", "rules", *sorted((MONITORING / "tests").iterdir())),
    )
    return "\n".join(filter(None, problems))


CHECKS: dict[str, tuple[Callable[[], Outcome], str]] = {
    "Compose": (compose, "docker compose, or check-jsonschema"),
    "Kubernetes": (kubernetes, "kubernetes-validate"),
    "systemd": (systemd, "systemd-analyze"),
    "Prometheus": (prometheus, "promtool (Debian: prometheus)"),
}
"""What is checked → by what, and the tools that it needs."""


def main() -> int:
    """Run the checks; return 1 if one found something."""
    has_failed = False
    for name, (check, tools) in CHECKS.items():
        problem = check()
        if problem is None:
            print(f"{name}: NOT CHECKED, {tools} is not installed")
        elif problem:
            has_failed = True
            print(f"{name}: {problem}")
    return has_failed


if __name__ == "__main__":
    sys.exit(main())
