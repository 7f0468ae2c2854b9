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

START_ALL = r"""
homes=$1; count=$2; python=$3; manage=$4; remove=$5
for number in $(seq "$count"); do
    HARDLINE_HOME=$homes/$number "$python" "$manage" services start >"$homes/$number.log" 2>&1 &
    pids="${pids:-} $!"
done
failed=0
for pid in $pids; do wait "$pid" || failed=$((failed + 1)); done
"$python" -c "$remove" "$homes" "$count" >/dev/null 2>&1 || true
getent passwd hardline-db
exit $failed
"""

REMOVE_ALL = """
import sys
from betting.config import load
from betting.runtime.embedded import remove_state
for number in range(int(sys.argv[2])):
    remove_state(load({"HARDLINE_HOME": f"{sys.argv[1]}/{number + 1}"}))
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
            "sh", "-c", START_ALL, "sh", tmp_path, str(INSTALLATIONS),
            sys.executable, CHECKOUT / "manage.py", REMOVE_ALL,
        ],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )  # fmt: skip
    said = "".join(log.read_text() for log in sorted(tmp_path.glob("*.log")))
    assert done.returncode == 0, said + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["hardline-db"]
    assert said.count("running (process") == 2 * INSTALLATIONS
