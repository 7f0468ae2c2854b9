from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streaming.core.failures import DataFailure, PermanentFailure, ProviderFailure
from streaming.providers import compressed
from streaming.providers.base import ProviderSettings, Secret
from streaming.providers.compressed import _zstd_library
from streaming.providers.recording import lines as recorded_lines
from streaming.providers.recording.adapter import merged, read, survey
from streaming.providers.registry import adapter

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


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
    if _zstd_library() is not None:
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
def test_a_bad_line_is_left_out_and_named(recording: Path, bad: bytes) -> None:
    recording.write_bytes(line() + line() + bad + b"\n" + line())
    found = survey(recording)
    assert len(list(found.records())) == found.responses == 3
    (left_out,) = found.left_out
    assert (left_out.place, left_out.count) == ("feed.jsonl:3", 1)
    (warning,) = found.warnings()
    assert "feed.jsonl:3" in warning
    assert left_out.reason in warning


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line()[:-20], "undecodable"),
        (b"broken", "undecodable"),
        (b"\x1a", "undecodable"),
        (line(status="200"), "wrong_schema"),
        (line("0001-01-01T00:00:00+14:00"), "bad_time"),
        (line("2926-03-01T18:00:00Z"), "bad_time"),
        (line("2026-03-01T18:00:10Z"), "out_of_order"),
        (line("2026-03-01T17:59:59Z"), "out_of_order"),
        (line(body="x" * 2_000), "too_long"),
        (line(provider="nobody"), "unknown_provider"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_line_is_left_out_for_a_reason_and_the_others_are_played(
    recording: Path,
    monkeypatch: pytest.MonkeyPatch,
    bad: bytes,
    reason: str,
    pack: Callable[[bytes], bytes],
) -> None:
    monkeypatch.setattr(recorded_lines, "MAX_LINE_BYTES", 1_000)
    ats = [f"2026-03-01T18:00:0{second}Z" for second in range(4)]
    sound = [line(at) for at in ats]
    recording.write_bytes(pack(b"".join([*sound[:2], bad.rstrip() + b"\n", *sound[2:]])))
    found = survey(recording, known={"the_odds_api"})
    assert [(each.reason, each.count, each.place) for each in found.left_out] == [
        (reason, 1, "feed.jsonl:3")
    ]
    expected = [datetime.fromisoformat(at) for at in ats]
    assert [record.received_at for record in found.records()] == expected


def test_a_warning_shows_nothing_of_the_line(recording: Path) -> None:
    recording.write_bytes(line() + line(status="hunter2", body="hunter2") + b"hunter2")
    recording.write_bytes(recording.read_bytes() + b"\n" + line())
    found = survey(recording)
    assert len(found.warnings()) == 2
    assert "hunter2" not in " ".join(found.warnings())


def test_what_pads_a_line_does_not_make_it_too_long(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_lines, "MAX_LINE_BYTES", 1_000)
    recording.write_bytes(line() + bytes(5_000) + line() + bytes(5_000))
    assert len(list(survey(recording).records())) == 2


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_the_bound_of_a_line_is_exact(
    recording: Path, monkeypatch: pytest.MonkeyPatch, extra: int, end: bytes
) -> None:
    recording.write_bytes(line() + line(body="x" * 200).rstrip() + end)
    bound = len(line(body="x" * 200).rstrip()) - extra
    monkeypatch.setattr(recorded_lines, "MAX_LINE_BYTES", bound)
    assert survey(recording).responses == 2 - extra


def test_of_a_line_that_is_too_long_no_more_is_held_than_the_bound(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_lines, "MAX_LINE_BYTES", 100_000)
    monkeypatch.setattr(recorded_lines, "_SKIPPED_BYTES", 100_000)
    recording.write_bytes(gzip.compress(line() + b"x" * 20_000_000 + b"\n" + line()))
    tracemalloc.start()
    try:
        found = survey(recording)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [each.reason for each in found.left_out] == ["too_long"]
    assert peak_bytes < 5_000_000


@pytest.mark.parametrize(
    "content",
    [b"broken", b"broken\nbroken\n", line(status=1), line() + b"{}\n" * 2, line(status=True) * 3],
)
def test_a_recording_too_little_of_which_can_be_read_is_refused_as_a_whole(
    recording: Path, content: bytes
) -> None:
    recording.write_bytes(content)
    with pytest.raises(DataFailure, match=r"played of the recording feed\.jsonl") as caught:
        survey(recording)
    assert caught.value.code == "bad_recording"
    assert caught.value.where.startswith("feed.jsonl:")


def test_half_of_a_recording_is_enough_to_play_it(recording: Path) -> None:
    recording.write_bytes(line() + b"broken\n" + b"broken\n" + line())
    assert survey(recording).responses == 2


def test_answers_to_different_requests_may_come_in_any_order(recording: Path) -> None:
    """A recorder may ask for one sport after the other, all dates of each."""
    requests = [{"path": f"/v4/sports/{sport}/odds"} for sport in ("a", "b")]
    ats = ["2026-03-01T18:00:00Z", "2026-03-02T18:00:00Z"]
    recording.write_bytes(b"".join(line(at, request=r) for r in requests for at in ats))
    found = survey(recording)
    assert (found.responses, found.left_out) == (4, ())
    assert found.first_at == datetime(2026, 3, 1, 18, tzinfo=UTC)


def test_the_next_answer_to_each_request_follows_the_gap_that_a_lost_line_leaves(
    recording: Path,
) -> None:
    a, b = ({"path": f"/v4/sports/{sport}/odds"} for sport in ("a", "b"))
    lines = [line(request=a), b"broken\n", line(request=b), line(request=a), line(request=a)]
    recording.write_bytes(b"".join(lines))
    assert [r.request.follows_gap for r in read(recording)] == [False, False, True, False]


def test_playing_a_recording_warns_of_what_is_left_out(
    recording: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording.write_bytes(line() + b"broken\n" + line())
    mine = ProviderSettings("mine", "recording", str(recording))
    assert len(list(adapter("recording").requests(mine))) == 2
    (warning,) = caplog.messages
    assert "feed.jsonl:2" in warning


def sound_line(second: int) -> bytes:
    return line((NOON + timedelta(seconds=second)).isoformat(), headers={"n": str(second)})


def cut(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


DAMAGES: list[Callable[[bytes], bytes]] = [
    cut,
    lambda whole: whole[1:].rstrip(),
    lambda _: b"\xff\xfe",
    lambda _: b'{"op": 1}',
    lambda _: b"[" * 5_000,
    lambda whole: whole.rstrip() + b" " + b"x" * 20_000,
    lambda whole: whole.rstrip().replace(b'"status": 200', b'"status": "fine"'),
    lambda whole: whole.replace(b"the_odds_api", b"the_0dds_api"),
]
WRONG_TIMES: list[Callable[[bytes], bytes]] = [
    lambda whole: whole.replace(b"2026-", b"2025-"),
    lambda whole: whole.replace(b"2026-", b"2027-"),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), lines=st.integers(3, 12))
def test_whatever_damages_some_lines_all_the_others_are_played_in_order(
    recording: Path, data: st.DataObject, lines: int
) -> None:
    numbers = st.integers(0, lines - 1)
    damages = data.draw(
        st.dictionaries(numbers, st.sampled_from(DAMAGES), max_size=(lines - 1) // 2)
    )
    sound = [number for number in range(lines) if number not in damages]
    # A time can only be told to be wrong by sound ones on both sides, more than there are of it.
    if len(sound) >= 5 and lines - len(sound) < (lines - 1) // 2:
        number = data.draw(st.sampled_from([None, *sound[2:-2]]))
        if number is not None:
            damages[number] = data.draw(st.sampled_from(WRONG_TIMES))
            sound.remove(number)
    content = [sound_line(number) for number in range(lines)]
    for number, damage in damages.items():
        content[number] = damage(content[number]).rstrip() + b"\n"
    recording.write_bytes(b"".join(content))
    with patch.object(recorded_lines, "MAX_LINE_BYTES", 10_000):
        found = survey(recording, known={"the_odds_api"})
        played = [int(record.response.headers["n"]) for record in found.records()]
    assert played == sound
    assert found.responses == len(sound)
    assert sum(each.count for each in found.left_out) == len(damages)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_of_an_archive_that_is_cut_short_the_part_before_the_cut_is_played(
    recording: Path, pack: Callable[[bytes], bytes]
) -> None:
    texts = [hashlib.sha512(bytes([number])).hexdigest() for number in range(100)]
    recording.write_bytes(pack(b"".join(line(headers={"n": text}) for text in texts))[:-2_000])
    found = survey(recording)
    played = [record.response.headers["n"] for record in found.records()]
    assert played == texts[: len(played)]
    assert 50 < len(played) < 100
    assert [each.reason for each in found.left_out] == ["cut_short"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_spoilt_archive_is_a_data_failure(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "feed.jsonl.gz"
    path.write_bytes(pack(line() * 50)[:60] + bytes(9))
    with pytest.raises(DataFailure, match="cannot be read on"):
        list(read(path))


def test_a_spoilt_zstandard_archive_is_a_data_failure_of_whichever_library_reads_it(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ZstdError(Exception):
        """As the libraries have it: no `OSError`, no `ValueError`."""

    class Spoilt(io.BytesIO):
        def readline(self, _size: int | None = -1, /) -> bytes:
            raise ZstdError("data corruption detected")

    library = SimpleNamespace(open=lambda _: Spoilt(), ZstdError=ZstdError)
    monkeypatch.setattr(compressed, "_zstd_library", lambda: library)
    recording.write_bytes(b"\x28\xb5\x2f\xfd")
    with pytest.raises(DataFailure, match="cannot be read on: data corruption detected"):
        list(read(recording))


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
    with pytest.raises(PermanentFailure, match="not a regular file") as caught:
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
    records = merged(map(survey, paths))
    assert [record.response.headers["from"] for record in records] == [
        "b",
        "a",
        "a",
        "b",
    ]


def test_answers_of_one_moment_keep_the_order_of_their_files(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for path in paths:
        path.write_bytes(line(headers={"from": path.stem}))
    records = merged(map(survey, paths))
    assert [record.response.headers["from"] for record in records] == [
        "0",
        "1",
        "2",
    ]


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
