from __future__ import annotations

import errno
from pathlib import Path

import pytest

from streaming.chaos.disk import full, small_disk

SIZE = 1 << 20


def test_a_small_disk_has_no_byte_left_while_it_is_full_and_is_gone_afterwards(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, SIZE) as is_permitted:
        if not is_permitted:
            pytest.skip("this user may not mount a disk")
        file = disk / "file"
        with full(disk), pytest.raises(OSError, match="No space") as raised:
            file.write_bytes(b"x")
        assert raised.value.errno == errno.ENOSPC
        file.write_bytes(bytes(SIZE // 2))
    assert not disk.exists()


def test_a_disk_of_a_user_who_may_not_mount_one_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with small_disk(tmp_path / "disk", SIZE) as is_permitted:
        assert not is_permitted
    assert not (tmp_path / "disk").exists()
