"""A machine on which Hardline has never run: what is shared is made once, whoever comes first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from betting.config import CHECKOUT

INSTALLATIONS = 6

#: In a mount namespace: a copy of /etc without the account, and an empty /var/lib/hardline.
NEW_MACHINE = r"""
set -eu
machine=$1; shift
mount --make-rprivate /
cp -a /etc "$machine/etc"
for file in passwd shadow group gshadow; do
    [ ! -e "$machine/etc/$file" ] || sed -i "/^hardline-db:/d" "$machine/etc/$file"
done
mkdir -p /var/lib/hardline "$machine/hardline"
chmod 755 "$machine/hardline"
mount --bind "$machine/etc" /etc
mount --bind "$machine/hardline" /var/lib/hardline
! getent passwd hardline-db
exec "$@"
"""

#: Each installation in a fork of its own: none has anything left to import when the others begin.
START_ALL = """
import os, sys
from betting.config import load
from betting.runtime import embedded
homes, count = sys.argv[1], int(sys.argv[2])
configs = [load({"HARDLINE_HOME": f"{homes}/{number}"}) for number in range(count)]
starting = []
for config in configs:
    starting.append(os.fork())
    if starting[-1] == 0:
        embedded.start(config)
        os._exit(0)
failed = sum(os.waitpid(pid, 0)[1] != 0 for pid in starting)
running = sum(server.is_running for config in configs for server in embedded.status(config))
for config in configs:
    embedded.remove_state(config)
print(running)
sys.exit(failed)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root creates the servers' account")
@pytest.mark.timeout(300)
def test_installations_that_start_at_once_on_a_new_machine_share_one_account(
    tmp_path: Path,
) -> None:
    may = shutil.which("unshare") and subprocess.run(["unshare", "-m", "true"], check=False)
    if not may or may.returncode != 0:
        pytest.skip("NOT TESTED: this machine makes no mount namespaces (unshare -m)")
    done = subprocess.run(
        [
            "unshare", "-m", "sh", "-c", NEW_MACHINE, "sh", tmp_path,
            "sh", "-c", '"$@" && getent passwd hardline-db', "sh",
            sys.executable, "-c", START_ALL, tmp_path, str(INSTALLATIONS),
        ],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    running, account = done.stdout.splitlines()
    assert running == str(2 * INSTALLATIONS)
    assert account.startswith("hardline-db:")
