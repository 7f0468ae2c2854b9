"""Check that the locks of the image are those of its requirements, without a network.

Every pin of a requirements file, and everything that the installed distributions of these say they
need, has to be in its lock, with that version and with hashes. What is in several locks has one
version, because one image installs them on each other. `make lock` writes them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "requirements-external.txt": "requirements.lock",
    "requirements-tracing.txt": "requirements-tracing.lock",
}
_PIN = re.compile(r"^([\w.-]+)==(\S+)(.*(?:\n    .*)*)", re.MULTILINE)


def locked(text: str) -> dict[str, tuple[str, int]]:
    """Return name → version and number of hashes of a lock's pins."""
    return {
        canonicalize_name(name): (version, rest.count("--hash=sha256:"))
        for name, version, rest in _PIN.findall(text)
    }


def required(text: str) -> Iterator[Requirement]:
    """Yield the pins of a requirements file."""
    for line in text.splitlines():
        if line and not line.startswith(("#", "-")):
            yield Requirement(line)


def needs(requirement: Requirement) -> Iterator[Requirement]:
    """Yield what the installed distribution of a requirement needs here."""
    extras = requirement.extras or {""}
    for each in map(Requirement, metadata.requires(requirement.name) or ()):
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras):
            yield each


def problems(requirements: str, lock: str, name: str = "requirements.lock") -> list[str]:
    """Return one line for each way in which the lock of this name is not that of requirements."""
    pins = locked(lock)
    found = []
    waiting, seen = list(required(requirements)), set()
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        version, hashes = pins.get(key[0], ("", 0))
        if not version:
            found.append(f"{requirement.name} is not in {name}")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement} is locked at {version}")
        elif not hashes:
            found.append(f"{requirement.name}=={version} is locked without a hash")
        waiting += needs(requirement)
    return sorted(set(found))


def differences(lock: str, other: str) -> list[str]:
    """Return one line for each distribution of which two locks have different versions."""
    pins = locked(other)
    return [
        f"{name} is locked at {version} and at {pins[name][0]}"
        for name, (version, _) in sorted(locked(lock).items())
        if pins.get(name, (version,))[0] != version
    ]


def main() -> int:
    """Print the problems; return 1 if there are any."""
    texts = {
        name: (ROOT / name).read_text(encoding="utf-8") for pair in LOCKS.items() for name in pair
    }
    found = [
        problem
        for requirements, lock in LOCKS.items()
        for problem in problems(texts[requirements], texts[lock], lock)
    ]
    found += differences(texts["requirements-tracing.lock"], texts["requirements.lock"])
    for problem in found:
        print(f"{problem}: run `make lock`")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
