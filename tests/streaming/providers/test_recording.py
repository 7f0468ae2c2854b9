from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streaming.core.failures import DataFailure, PermanentFailure, ProviderFailure
from streaming.providers.base import ProviderSettings, Secret
from streaming.providers.compressed import _ZSTD_MODULES, _is_installed
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


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.bz2", "a.jsonl.xz", "a.jsonl", "a"])
def test_a_recording_reads_the_same_however_it_is_packed_and_named(
    tmp_path: Path, recording: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    recording.write_bytes(line() + b"\n" + line())
    packed = tmp_path / name
    packed.write_bytes(pack(line() + b"\n" + line()))
    assert [r.response for r in read(packed)] == [r.response for r in read(recording)]
    assert len(list(read(packed))) == 2


def test_a_recording_of_several_gzip_members_is_read_to_its_end(recording: Path) -> None:
    recording.write_bytes(gzip.compress(line()) + gzip.compress(line()))
    assert len(list(read(recording))) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig"])
def test_a_mark_at_the_start_of_a_recording_is_none_of_its_content(
    recording: Path, encoding: str
) -> None:
    recording.write_bytes(line().decode().encode(encoding) + line())
    assert len(list(read(recording))) == 2


def test_a_recording_that_nothing_installed_can_unpack_needs_a_person(recording: Path) -> None:
    recording.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    if any(_is_installed(name) for name in _ZSTD_MODULES):
        expected: type[ProviderFailure] = DataFailure
    else:
        expected = PermanentFailure
    with pytest.raises(expected) as caught:
        list(read(recording))
    if expected is PermanentFailure:
        assert "Zstandard" in str(caught.value)


HISTORICAL = {"path": "/v4/historical/sports/any/odds", "params": {"date": "2026-03-01T12:00:00Z"}}


def wrapped(data: Any, at: str = "2026-03-01T11:55:00Z") -> dict[str, Any]:
    return {"timestamp": at, "previous_timestamp": None, "next_timestamp": None, "data": data}


@pytest.mark.parametrize("path", ["/v4/historical/sports/any/odds", "/v4/sports/any/odds"])
def test_a_historical_answer_is_the_live_one_of_its_timestamp(recording: Path, path: str) -> None:
    request = {"path": path, "params": {"date": "2026-03-01T12:00:00Z", "markets": "h2h"}}
    recording.write_bytes(line(request=request, body=wrapped([])))
    (record,) = read(recording)
    assert record.request.feed == "/v4/sports/any/odds?markets=h2h"
    assert record.received_at == datetime(2026, 3, 1, 11, 55, tzinfo=UTC)
    assert record.request.recorded == record.response
    assert record.response.body == b"[]"
    snapshot = adapter("the_odds_api").decoder().decode(record.request, record.response)
    assert (snapshot.is_list, snapshot.received_at) == (True, record.received_at)


def test_a_historical_answer_about_one_event_is_read(recording: Path) -> None:
    event = {
        "id": "e1",
        "sport_key": "any",
        "sport_title": "Any",
        "commence_time": "2026-03-01T19:30:00Z",
        "home_team": "Gulls",
        "away_team": "Owls",
        "bookmakers": [],
    }
    request = {"path": "/v4/historical/sports/any/events/e1/odds"}
    recording.write_bytes(line(request=request, body=wrapped(event)))
    (record,) = read(recording)
    snapshot = adapter("the_odds_api").decoder().decode(record.request, record.response)
    assert [each.external_id for each in snapshot.events] == ["e1"]
    assert snapshot.feed == "/v4/sports/any/events/e1/odds"


@pytest.mark.parametrize(
    "body", [[], {"data": []}, wrapped([], "soon"), wrapped([], "0001-01-01T00:00:00Z")]
)
def test_a_historical_answer_without_its_wrapper_is_a_data_failure(
    recording: Path, body: Any
) -> None:
    recording.write_bytes(line(request=HISTORICAL, body=body))
    (record,) = read(recording)
    with pytest.raises(DataFailure):
        adapter("the_odds_api").decoder().decode(record.request, record.response)


def test_a_refused_historical_request_stays_a_refusal(recording: Path) -> None:
    recording.write_bytes(line(request=HISTORICAL, status=401, body={"error_code": "INVALID_KEY"}))
    (record,) = read(recording)
    with pytest.raises(PermanentFailure):
        adapter("the_odds_api").decoder().decode(record.request, record.response)


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


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize(
    "spoil", [lambda packed: packed[:-20], lambda packed: packed[:60] + bytes(9)]
)
def test_a_spoilt_archive_is_a_data_failure(tmp_path: Path, pack: Any, spoil: Any) -> None:
    path = tmp_path / "feed.jsonl.gz"
    path.write_bytes(spoil(pack(line() * 50)))
    with pytest.raises(DataFailure, match="cannot be read on"):
        list(read(path))


def test_a_missing_recording_needs_a_person(recording: Path) -> None:
    with pytest.raises(PermanentFailure) as caught:
        list(read(recording))
    assert caught.value.code == "recording_unreadable"


@pytest.mark.parametrize("pad", [b"\0" * 4096, b"\0\n", b" \r\n\t\0\0\n"])
def test_what_pads_a_recording_is_none_of_its_content(recording: Path, pad: bytes) -> None:
    recording.write_bytes(line().rstrip() + pad.rstrip(b"\n") + b"\n" + pad + line() + pad)
    assert [record.response.body for record in read(recording)] == [b"[]", b"[]"]


@pytest.mark.timeout(20)  # a reader of a pipe that nobody writes to would wait
@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/null")],
    ids=["folder", "pipe", "device"],
)
def test_a_recording_that_is_no_regular_file_needs_a_person(
    recording: Path, make: Callable[[Path], None]
) -> None:
    make(recording)
    with pytest.raises(PermanentFailure, match="no regular file") as caught:
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
