from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streaming.core.failures import DataFailure, PermanentFailure
from streaming.providers.base import ProviderSettings, Secret
from streaming.providers.recording import merged, read
from streaming.providers.registry import adapter


def line(at: str = "2026-03-01T18:00:00Z", **changes: Any) -> bytes:
    whole = {
        "received_at": at,
        "provider": "the_odds_api",
        "request": {"path": "/v4/sports/any/odds", "params": {"markets": "h2h"}},
        "status": 200,
        "headers": {"X-Requests-Last": "1"},
        "body": [],
    }
    return json.dumps({**whole, **changes}).encode() + b"\n"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tmp_path / "feed.jsonl"


def test_a_line_is_one_exchange(recording: Path) -> None:
    recording.write_bytes(line(body={"a": [1, 2.50, "é"]}, at="2026-03-01T20:00:00.25+02:00"))
    (record,) = read(recording)
    assert record.provider == record.request.adapter == "the_odds_api"
    assert record.request.feed == "/v4/sports/any/odds?markets=h2h"
    assert record.request.recorded is record.response
    assert record.response.headers == {"x-requests-last": "1"}
    assert record.received_at == datetime(2026, 3, 1, 18, 0, 0, 250_000, UTC)
    assert json.loads(record.response.body) == {"a": [1, 2.5, "é"]}


def test_the_body_is_kept_byte_for_byte(recording: Path) -> None:
    recording.write_bytes(line(body="?").replace(b'"?"', b'[ 1.50 , 2e0,"\\u00e9" ]'))
    (record,) = read(recording)
    assert record.response.body == b'[ 1.50 , 2e0,"\\u00e9" ]'
    assert record.response.wire_bytes == len(record.response.body)


def test_a_gzipped_recording_reads_the_same(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_bytes(line() + b"\n" + line())
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert [r.response for r in read(packed)] == [r.response for r in read(plain)]
    assert len(list(read(packed))) == 2


def test_reading_is_lazy(recording: Path) -> None:
    recording.write_bytes(line() + b"broken\n")
    assert next(read(recording)).response.status == 200


@pytest.mark.parametrize(
    "bad",
    [
        b"broken",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 200_000,
        line().replace(b"18:00:00Z", b"18:00:00"),
        line("0001-01-01T00:00:00+14:00"),
        line(status="200"),
        line(request={"path": "odds"}),
        line(provider=None),
        line()[:-20],
    ],
)
def test_a_bad_line_is_named(recording: Path, bad: bytes) -> None:
    recording.write_bytes(line() + line() + bad)
    with pytest.raises(DataFailure) as caught:
        list(read(recording))
    assert caught.value.code == "bad_recording"
    assert caught.value.where == "feed.jsonl:3"


@pytest.mark.parametrize(
    "spoil", [lambda packed: packed[:-20], lambda packed: b"PK" + packed, lambda _: line()]
)
def test_a_spoilt_archive_is_a_data_failure(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "feed.jsonl.gz"
    path.write_bytes(spoil(gzip.compress(line() * 50)))
    with pytest.raises(DataFailure, match="cannot be read on"):
        list(read(path))


def test_a_missing_recording_needs_a_person(recording: Path) -> None:
    with pytest.raises(PermanentFailure) as caught:
        list(read(recording))
    assert caught.value.code == "recording_unreadable"


def test_several_recordings_play_in_the_order_received(tmp_path: Path) -> None:
    starts = {"a": "18:00:01", "b": "18:00:00"}
    paths: list[Path] = []
    for name, start in starts.items():
        path = tmp_path / f"{name}.jsonl"
        later = line(f"2026-03-01T18:0{len(paths) + 1}:00Z", headers={"from": name})
        path.write_bytes(line(f"2026-03-01T{start}Z", headers={"from": name}) + later)
        paths.append(path)
    assert [record.response.headers["from"] for record in merged(paths)] == ["b", "a", "a", "b"]


def test_answers_of_one_moment_keep_the_order_of_their_files(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for path in paths:
        path.write_bytes(line(headers={"from": path.stem}))
    assert [record.response.headers["from"] for record in merged(paths)] == ["0", "1", "2"]


@pytest.mark.parametrize("as_url", [True, False])
def test_a_provider_row_plays_a_recording(tmp_path: Path, as_url: bool) -> None:
    path = tmp_path / "my feed.jsonl"
    path.write_bytes(line() + line("2026-03-01T18:01:00Z"))
    base_url = path.as_uri() if as_url else str(path)
    player = adapter("recording")
    decoder = player.decoder()
    requests = list(player.requests(ProviderSettings("mine", "recording", base_url)))
    assert len(requests) == 2
    for request in requests:
        assert request.recorded is not None
        snapshot = decoder.decode(request, request.recorded)
        assert snapshot.received_at == request.recorded.received_at
        assert player.authorise(request, Secret("x")).params == {}
        assert player.quota(request.recorded).remaining is None


def test_a_recording_of_an_unknown_provider_is_a_data_failure(recording: Path) -> None:
    recording.write_bytes(line(provider="nobody") + line(provider="recording"))
    for record in read(recording):
        with pytest.raises(DataFailure, match="No adapter is called"):
            adapter("recording").decoder().decode(record.request, record.response)
