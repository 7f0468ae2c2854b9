"""Certificates of an authority of one's own, for servers on the loopback."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def make_certificates(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Make an authority, and the certificate and key of a server on the loopback, for two days.

    Args:
        folder: where the files go.
        name: their stem.

    Returns:
        The authority's certificate, the server's, and the server's key.

    Raises:
        subprocess.CalledProcessError: openssl refuses.
    """
    ca, ca_key = folder / f"{name}-ca.pem", folder / f"{name}-ca.key"
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    openssl = str(shutil.which("openssl"))
    new: list[str | Path] = [
        openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]  # fmt: skip
    for words in (
        [*new, "-keyout", ca_key, "-out", ca, "-subj", f"/CN={name} authority"],
        [
            *new, "-CA", ca, "-CAkey", ca_key, "-keyout", key, "-out", pem, "-subj", f"/CN={name}",
            "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE",
        ],
    ):  # fmt: skip
        subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - openssl by its path
    return ca, pem, key
