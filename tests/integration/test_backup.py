"""`manage.py backup` from outside: a stream goes on in another state directory."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from betting.runtime import embedded
from tests.betting.runtime.embedded.clients import redis_client
from tests.integration import feed_reader
from tests.integration.feed_reader import Key
from tests.integration.installation import CHECKOUT, Installation
from tests.support.cluster import lay

SIMULATED = CHECKOUT / "tests" / "recordings" / "simulated.jsonl.gz"
UNVALUED = "SELECT count(*) FROM betting_market WHERE version <> valued_version"
LETTERS = "SELECT count(*) FROM streaming_deadletter"

# Processes take seconds to start, and many times that on a busy machine.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, cluster: Path) -> Iterator[Installation]:
    """Servers that go on from one test to the next."""
    installation = Installation(tmp_path_factory.mktemp("backup") / "old")
    lay(cluster, installation.config)
    embedded.ensure_running(installation.config)
    yield installation
    installation.remove()


@pytest.fixture
def old(installed: Installation) -> Installation:
    """Empty tables, and an empty Redis."""
    installed.empty()
    with redis_client(installed.config) as client:
        client.flushall()
    return installed


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Installation]:
    """A state directory that nothing has used yet."""
    installation = Installation(tmp_path / "new")
    yield installation
    installation.remove()


def halves(directory: Path) -> tuple[Path, Path]:
    """The recording's answers, the earlier and the later ones."""
    lines = gzip.decompress(SIMULATED.read_bytes()).splitlines(keepends=True)
    middle = len(lines) // 2
    earlier, later = directory / "earlier.jsonl", directory / "later.jsonl"
    earlier.write_bytes(b"".join(lines[:middle]))
    later.write_bytes(b"".join(lines[middle:]))
    return earlier, later


def back_up(installation: Installation, *words: str | Path) -> str:
    done = installation.fork("backup", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(installation: Installation, *words: str | Path) -> str:
    done = installation.fork("backup", *words)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_a_stream_goes_on_in_another_state_directory_as_if_it_had_not_moved(
    old: Installation, new: Installation, tmp_path: Path
) -> None:
    earlier, later = halves(tmp_path)
    dump = tmp_path / "odds.dump"
    old.replay(earlier)

    assert "odds.dump was written" in back_up(old, "create", dump)
    assert {path.name for path in tmp_path.glob("*odds.dump*")} == {"odds.dump", "odds.dump.json"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("odds.dump*")} == {0o600}
    assert "is whole" in back_up(old, "verify", dump)
    assert "has tables" in refused(old, "restore", dump)

    assert "was restored" in back_up(new, "restore", dump)
    facts = new.replay(later)

    reading = feed_reader.read(SIMULATED)
    active = {
        Key(*(row[column] for column in Key._fields)): row["price"]
        for row in new.export("quotes", "--status", "active")
    }
    assert active == reading.active
    kinds = Counter(
        "suspended" if r["kind"] == "ended" else r["kind"] for r in new.export("line_changes")
    )
    assert kinds == reading.changes
    assert facts["dead_letters"] == 0
    assert new.ask(UNVALUED) == new.ask(LETTERS) == [(0,)]


def test_a_restore_that_replaces_leaves_nothing_of_what_was_there(
    old: Installation, tmp_path: Path
) -> None:
    dump = tmp_path / "odds.dump"
    old.ask("INSERT INTO betting_sport (key, title) VALUES ('kept', '')")
    back_up(old, "create", dump)
    old.ask("INSERT INTO betting_sport (key, title) VALUES ('later', '')")
    old.ask("CREATE TABLE of_a_newer_release AS SELECT 1 AS one")
    with redis_client(old.config) as client:
        client.set("hardline:scheduled:1", "1")
        client.lpush("hardline:letters", "a letter")

    back_up(old, "restore", dump, "--replace")

    assert old.ask("SELECT key FROM betting_sport") == [("kept",)]
    assert old.ask("SELECT to_regclass('of_a_newer_release')") == [(None,)]
    with redis_client(old.config) as client:
        assert client.keys() == ["hardline:letters"]
