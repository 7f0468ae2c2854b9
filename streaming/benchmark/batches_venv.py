"""The virtual environment with celery-batches, which Hardline itself does not need."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from streaming.benchmark.waiting import BenchmarkError

REQUIREMENT = "celery-batches==0.11"
_INSTALL_SECONDS = 300


def batches_python(directory: Path) -> Path:
    """Return an interpreter that has celery-batches, beside all that this one has.

    Args:
        directory: where the virtual environment is, or is made.

    Raises:
        BenchmarkError: it cannot be made.
    """
    python = directory / "bin" / "python"
    made = directory / f"made-{REQUIREMENT}"
    if not made.exists():
        venv.create(directory, clear=True, symlinks=True, with_pip=False)
        (packages,) = directory.glob("lib/python*/site-packages")
        (packages / "hardline.pth").write_text(sysconfig.get_path("purelib") + "\n")
        _install(packages)
        made.touch()
    return python


def _install(packages: Path) -> None:
    """Install it by this interpreter's pip, without what it requires: that is there already."""
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--target", str(packages))
    try:
        done = subprocess.run(  # noqa: S603 - our own requirement
            [sys.executable, "-m", "pip", "install", *options, REQUIREMENT],
            check=False,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"pip took more than {_INSTALL_SECONDS} s.") from error
    if done.returncode:
        raise BenchmarkError(
            f"{REQUIREMENT} cannot be installed, leave out the contender `batched`:\n"
            f"{done.stderr.strip()}"
        )
