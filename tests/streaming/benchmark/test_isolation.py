"""What a benchmark leaves behind: nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from streaming.benchmark import isolation


def test_a_directory_is_removed_that_a_program_writes_to_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, remove = tmp_path / "work", shutil.rmtree
    home.mkdir()
    last_lines = iter(["of a worker that is about to end"])

    def written_to_again(path: Path, **named: Any) -> None:
        remove(path, **named)
        for line in last_lines:
            (path / "logs").mkdir(parents=True)
            (path / "logs" / "worker-value.log").write_text(line)

    monkeypatch.setattr(shutil, "rmtree", written_to_again)
    with isolation._kept_if_it_fails(home):
        pass
    assert not home.exists()
