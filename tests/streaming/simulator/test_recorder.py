from __future__ import annotations

import gzip
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streaming.providers.recording import adapter as recording
from streaming.simulator.recorder import record

SHIPPED = Path(__file__).parents[2] / "recordings" / "simulated.jsonl.gz"
SPORTS = ("basketball_nba", "baseball_mlb", "soccer_epl")
RESPONSES = 28

Line = dict[str, Any]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    with gzip.open(SHIPPED) as file:
        return [msgspec.json.decode(line) for line in file]


def events_of(line: Line) -> list[Line]:
    body = line["body"]
    return body if isinstance(body, list) else [body]


Board = dict[tuple[Any, ...], set[float | None]]


def boards(lines: list[Line]) -> dict[str, list[Board]]:
    """Per request path, for each answer: a market's outcome at a book → the points it shows."""
    paths = defaultdict(list)
    for line in lines:
        board: Board = defaultdict(set)
        for event in events_of(line):
            for book in event["bookmakers"]:
                for market in book["markets"]:
                    for o in market["outcomes"]:
                        if o["price"] > 1:
                            key = (event["id"], book["key"], market["key"], o["name"])
                            board[*key, o.get("description")].add(o.get("point"))
        paths[line["request"]["path"]].append(board)
    return paths


def shown(lines: list[Line]) -> list[tuple[Any, ...]]:
    return [key for path in boards(lines).values() for board in path for key in board]


def test_recording_again_gives_what_is_shipped(tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl.gz"
    record(again, RESPONSES, SPORTS)
    # Not the packed bytes: builds of zlib differ in how they pack.
    assert gzip.decompress(again.read_bytes()) == gzip.decompress(SHIPPED.read_bytes())


def test_a_file_depends_on_its_contents_alone(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl.gz", tmp_path / "other.jsonl.gz"
    for path in (one, other):
        record(path, 4, SPORTS)
    assert one.read_bytes() == other.read_bytes()


def test_another_seed_gives_another_recording(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl.gz", tmp_path / "other.jsonl.gz"
    for seed, path in enumerate((one, other)):
        record(path, 2, SPORTS, seed)
    assert one.read_bytes() != other.read_bytes()


def test_the_shipped_recording_is_small() -> None:
    assert SHIPPED.stat().st_size < 150_000


def test_a_recording_reads_as_any_feed_and_holds_no_key(lines: list[Line]) -> None:
    records = list(recording.read(SHIPPED))
    assert [r.request.path for r in records] == [line["request"]["path"] for line in lines]
    received = [r.received_at for r in records]
    assert received == sorted(set(received))
    assert all("apiKey" not in r.request.params for r in records)
    assert {r.response.status for r in records} == {200}


def test_it_holds_three_sports_one_of_them_three_way(lines: list[Line]) -> None:
    assert {event["sport_key"] for line in lines for event in events_of(line)} == set(SPORTS)
    names = {key[3] for key in shown(lines)}
    assert "Draw" in names


def test_it_holds_lay_prices_alternate_lines_and_player_totals(lines: list[Line]) -> None:
    kinds = {key[2] for key in shown(lines)}
    assert kinds == {
        "h2h", "h2h_lay", "spreads", "totals", "alternate_spreads", "alternate_totals",
        "player_points",
    }  # fmt: skip


def test_it_holds_a_doubleheader(lines: list[Line]) -> None:
    pairs = defaultdict(set)
    for event in events_of(next(line for line in lines if "baseball" in line["request"]["path"])):
        pairs[event["home_team"], event["away_team"]].add(event["id"])
    assert 2 in map(len, pairs.values())


def test_in_it_points_move_books_leave_and_return_and_events_end(lines: list[Line]) -> None:
    moved = left = returned = ended = False
    for path in boards(lines).values():
        seen: set[tuple[Any, ...]] = set()
        for old, new in pairwise(path):
            seen |= old.keys()
            live = {key[0] for key in new}
            moved |= any(old[key] != new[key] for key in old.keys() & new.keys())
            left |= any(key[0] in live for key in old.keys() - new.keys())
            returned |= bool((new.keys() - old.keys()) & seen)
            ended |= any(key[0] not in live for key in old)
    assert (moved, left, returned, ended) == (True, True, True, True)
