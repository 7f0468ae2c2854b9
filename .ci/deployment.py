"""Check the deployment files with the tools that are installed; name those that are not.

Run by `make check`. The tools are `docker compose` or the Compose specification's schema that
check-jsonschema ships, kubernetes-validate, promtool (Debian: prometheus) and systemd-analyze.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"

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


CHECKS: dict[str, tuple[Callable[[], Outcome], str]] = {
    "Compose": (compose, "docker compose, or check-jsonschema"),
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
