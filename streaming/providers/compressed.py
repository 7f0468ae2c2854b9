"""Opening of files by their content: plain, or in any of the usual compressions."""

from __future__ import annotations

import bz2
import functools
import gzip
import importlib
import importlib.util
import lzma
import stat
import zlib
from collections.abc import Callable, Mapping
from io import BufferedIOBase
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import cast

Open = Callable[[Path], BufferedIOBase]


def _open_gzip(path: Path) -> BufferedIOBase:
    return cast("BufferedIOBase", gzip.open(path))


_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_MODULES = ("compression.zstd", "backports.zstd", "pyzstd")
_OPENERS: Mapping[bytes, Open] = MappingProxyType(
    {
        b"\x1f\x8b": _open_gzip,
        b"BZh": bz2.open,
        b"\xfd7zXZ\x00": lzma.open,
    }
)
"""First bytes of a compressed file → the function that opens it."""


def open_file(path: Path) -> BufferedIOBase:
    """Open a file for reading, decompressed according to its content, not its name.

    Raises:
        OSError: it cannot be opened, is no regular file, or is compressed with Zstandard and no
            library for that is installed.
    """
    # Checked before opening: a pipe without a writer would block, and a device may never end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(None, "it is not a regular file")
    with path.open("rb") as file:
        start = file.read(max(map(len, (*_OPENERS, _ZSTD))))
    if start.startswith(_ZSTD):
        return _open_zstd(path)
    opener = next((each for magic, each in _OPENERS.items() if start.startswith(magic)), None)
    return path.open("rb") if opener is None else opener(path)


def spoilt() -> tuple[type[Exception], ...]:
    """Return the exceptions that reading a truncated or overwritten file may raise."""
    errors = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
    library = _zstd_library()
    return errors if library is None else (*errors, library.ZstdError)


def _open_zstd(path: Path) -> BufferedIOBase:
    library = _zstd_library()
    if library is not None:
        return cast("BufferedIOBase", library.open(path))
    words = "it is packed with Zstandard, for which no library is installed: unpack it with zstd -d"
    raise OSError(None, words)


@functools.cache
def _zstd_library() -> ModuleType | None:
    installed = next(filter(_is_installed, _ZSTD_MODULES), None)
    return None if installed is None else importlib.import_module(installed)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent package is not installed
        return False
