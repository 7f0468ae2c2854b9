"""A PgBouncer in transaction mode."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from betting.runtime.embedded.account import server_account
from tests.support.tcp_servers import USER, TcpServer, free_port, is_listening, wait_for

POOL_SIZE = 6

CONFIGURATION = """\
[databases]
odds = host=127.0.0.1 port={postgres.port} dbname=odds

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users.txt
pool_mode = transaction
default_pool_size = {pool_size}
query_wait_timeout = 10
{more}
"""


@contextmanager
def running_pgbouncer(
    postgres: TcpServer, directory: Path, *files: Path, more: str = ""
) -> Iterator[TcpServer]:
    """Run a PgBouncer of fewer sessions than Hardline has connections.

    Args:
        postgres: the server behind it.
        directory: where its files go.
        files: further files that it reads.
        more: further lines of its configuration.
    """
    account = server_account()
    pooler = TcpServer(free_port(), postgres.password)
    folder = directory / "pgbouncer"
    folder.mkdir(mode=0o700)
    (folder / "users.txt").write_text(f'"{USER}" "{pooler.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        CONFIGURATION.format(
            postgres=postgres, port=pooler.port, directory=folder, pool_size=POOL_SIZE, more=more
        )
    )
    for path in (folder, *folder.iterdir(), *files):
        os.chown(path, account.uid, account.gid)
    with (directory / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(
            ["pgbouncer", folder / "pgbouncer.ini"],
            stdout=log,
            stderr=log,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        )
    try:
        wait_for(lambda: is_listening(pooler.port), "PgBouncer")
        yield pooler
    finally:
        process.terminate()
        process.wait()
