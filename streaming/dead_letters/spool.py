"""The spool of letters while PostgreSQL is away: a list in Redis, or a file if that is away too.

Both are bounded. A letter is taken out only after it has been stored; storing one twice stores it
once, so a crash in between costs nothing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from uuid import uuid4

import msgspec

from betting.db.redis import redis_client
from betting.runtime.embedded import prepare_home
from streaming.core.letters import Letter

KEY = "hardline:letters"
FILE = "dead-letters.jsonl"
LETTERS_PER_READ = 100

MAX_LETTERS = 10_000
"""The most letters that wait in Redis, whose memory is for messages; the file takes the rest."""

MAX_BYTES = 67_108_864
"""The largest size of the file: a disk that fills up would be another fault."""

Take = Callable[[bytes], None]
"""Stores one line of a spool; raises when it cannot, and the line stays."""


class SpoolFullError(Exception):
    """The spool holds as many letters as it may."""


def push_to_redis(line: bytes, max_letters: int) -> None:
    """Add a letter to the list.

    Raises:
        SpoolFullError: the list is as long as it may be.
        redis.RedisError: Redis is away, or full.
    """
    if not redis_client().eval(_PUSH, 1, KEY, max_letters, line):
        raise SpoolFullError(f"{max_letters} letters wait in Redis already")


def waiting_in_redis() -> int:
    """Count the letters in the list."""
    return redis_client().llen(KEY)


def take_from_redis(take: Take) -> int:
    """Hand over the letters in the list, oldest first; return how many.

    Any number of processes may do this at once: each line is removed by its value.
    """
    client, taken = redis_client(), 0
    while lines := cast("list[bytes]", client.lrange(KEY, -LETTERS_PER_READ, -1)):
        for line in reversed(lines):
            take(line)
            client.lrem(KEY, -1, cast("str", line))
            taken += 1
    return taken


def append_to_file(line: bytes, home: Path, max_bytes: int) -> None:
    """Add a letter to the file, and wait until it is on the disk.

    Raises:
        SpoolFullError: the file is as large as it may be.
        OSError: it cannot be written.
    """
    prepare_home(home)
    with _locked(home / FILE) as descriptor:
        size = os.fstat(descriptor).st_size
        if size + len(line) > max_bytes:
            raise SpoolFullError(f"{size:,} bytes of letters wait in {home / FILE} already")
        # A writer that died in the middle of its line must not spoil the next one.
        is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        _write(descriptor, (b"\n" if is_torn else b"") + line + b"\n")
        os.fsync(descriptor)


def take_from_file(take: Take, home: Path) -> int:
    """Hand over the letters in the file; return how many.

    The file is set aside first, so that no writer waits for the database. Files that a failed drain
    had set aside are taken before that, or an outage would leave any number of full files.
    """
    spool = home / FILE
    taken = _take_aside(spool, take)
    if spool.exists():
        with _locked(spool):
            spool.rename(spool.with_suffix(f".{uuid4().hex}"))
        taken += _take_aside(spool, take)
    return taken


def _take_aside(spool: Path, take: Take) -> int:
    aside = [path for path in sorted(spool.parent.glob(f"{spool.stem}.*")) if path != spool]
    return sum(_take_all(path, take) for path in aside)


def _take_all(path: Path, take: Take) -> int:
    try:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    except FileNotFoundError:  # another process has just taken it
        return 0
    for line in lines:
        take(line)
    path.unlink(missing_ok=True)
    return len(lines)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Yield the file, open for appending and locked. The kernel unlocks it when its holder dies."""
    while True:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # While we waited it may have been set aside: then it is no longer the one to write to.
            if _is_still(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def encoded(letter: Letter) -> bytes:
    """Encode a letter as one line."""
    return msgspec.json.encode(letter)


def decoded(line: bytes) -> Letter:
    """Decode the letter of a line.

    Raises:
        msgspec.DecodeError: it is not a letter: torn, or written by another version.
    """
    return _DECODER.decode(line)


_DECODER = msgspec.json.Decoder(Letter)

_PUSH = """
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
return redis.call('LPUSH', KEYS[1], ARGV[2])
"""
