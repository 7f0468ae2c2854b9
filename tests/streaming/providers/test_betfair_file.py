from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import DataFailure, PermanentFailure
from streaming.providers.betfair.book import moment
from streaming.providers.betfair.file import CONFLATION_MS, requests
from streaming.providers.betfair.parse import parse
from streaming.providers.betfair.stream import BetfairDecoder
from streaming.providers.recording.adapter import Record, read, survey
from streaming.providers.recording.lines import Line
from streaming.providers.sieve import Sieve
from tests.streaming.providers.betfair import BEFORE_MS, GULLS, MARKET, change, image, message

OTHER = "1.200000002"


def record_all(*lines: bytes) -> list[Record]:
    places = (Line(number, f"x.bz2:{number}", line) for number, line in enumerate(lines, 1))
    return [
        Record(request.adapter, request, request.recorded)
        for request in requests(places, "file:///x.bz2", Sieve())
        if request.recorded is not None
    ]


def received(record: Record) -> float:
    """Milliseconds after the first message."""
    return (record.received_at - moment(BEFORE_MS)) / timedelta(milliseconds=1)


def test_a_file_of_the_service_is_read_by_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "1.200000001.bz2"
    first, second = message(image()), message(change(), ms=CONFLATION_MS)
    path.write_bytes(bz2.compress(first + b"\n\n" + second + b"\r\n"))
    one, two = read(path)
    assert one.provider == one.request.adapter == "betfair_stream"
    assert one.request.feed == "/markets/1.200000001"
    assert one.request.base_url == path.as_uri()
    assert one.request.recorded is one.response
    assert one.response.body == first
    assert one.received_at == datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
    assert (received(one), received(two)) == (0, CONFLATION_MS)


def test_messages_within_a_window_are_one_answer_received_with_the_last_of_them() -> None:
    gaps = [0, 1, CONFLATION_MS - 2, 1, CONFLATION_MS - 1, 1]
    lines = [message(change(), ms=sum(gaps[: number + 1])) for number in range(len(gaps))]
    records = record_all(*lines)
    assert [record.response.body.count(b"\n") + 1 for record in records] == [3, 2, 1]
    assert [received(record) for record in records] == [999, 1999, 2000]
    assert b"\n".join(record.response.body for record in records) == b"\n".join(lines)


def test_each_market_has_an_answer_of_its_own_in_the_order_received() -> None:
    both = message(change(n=1), change(market=OTHER, n=2), ms=1, ct="RESUB_DELTA")
    records = record_all(message(change(market=OTHER), ms=0), both, message(change(), ms=2))
    assert [record.request.path for record in records] == [
        f"/markets/{OTHER}",
        f"/markets/{MARKET}",
    ]
    assert [received(record) for record in records] == [1, 2]
    for record, number in zip(records, (2, 1), strict=True):
        body = [json.loads(line) for line in record.response.body.split(b"\n")]
        (part,) = (line for line in body if line.get("ct"))
        assert part == {
            **json.loads(both),
            "mc": [{"id": part["mc"][0]["id"], "rc": [], "n": number}],
        }


def test_a_heartbeat_is_heard_by_every_market_so_far() -> None:
    beat = message(ct="HEARTBEAT", ms=5_000)
    first = message(change(), change(market=OTHER))
    assert record_all(beat) == []
    records = record_all(first, beat)
    assert [(record.request.path, received(record)) for record in records] == [
        (f"/markets/{MARKET}", 0),
        (f"/markets/{OTHER}", 0),
        (f"/markets/{MARKET}", 5_000),
        (f"/markets/{OTHER}", 5_000),
    ]
    assert records[-1].response.body == beat


def test_a_clock_that_goes_back_makes_no_answer_older_than_the_one_before() -> None:
    records = record_all(
        message(change(), ms=9_000), message(change(), ms=0), message(change(), ms=50)
    )
    assert [received(record) for record in records] == [9_000, 9_000]


@given(st.lists(st.tuples(st.integers(0, 3_000), st.sampled_from([MARKET, OTHER])), min_size=1))
def test_no_message_is_lost_or_told_twice_and_none_comes_out_of_order(
    heard: list[tuple[int, str]],
) -> None:
    ms, lines = 0, []
    for gap, market in heard:
        ms += gap
        lines.append((market, message(change(market=market), ms=ms)))
    records = record_all(*(line for _, line in lines))
    for market in (MARKET, OTHER):
        mine = [record for record in records if record.request.path == f"/markets/{market}"]
        told = [line for record in mine for line in record.response.body.split(b"\n")]
        assert told == [line for name, line in lines if name == market]
        for record in mine:
            assert moment(parse(record.response.body, Sieve())[-1].pt) == record.received_at
    times = [record.received_at for record in records]
    assert times == sorted(times)


@pytest.mark.parametrize(
    "bad",
    [
        b"broken",
        b"[]",
        b"\xff",
        b"[" * 200_000,
        message(change(), op="ocm"),
        message(change(), pt="now"),
        message(change(market="x")),
        message(change())[:-5],
    ],
)
def test_a_bad_line_is_left_out_and_the_next_answer_of_every_market_follows_a_gap(
    tmp_path: Path, bad: bytes
) -> None:
    path = tmp_path / "1.2.bz2"
    both = message(image(), change(market=OTHER))
    after = [message(change(n=1), ms=1), message(change(market=OTHER), ms=2)]
    later = message(change(n=2), ms=2_000)
    path.write_bytes(bz2.compress(b"\n".join([both, bad, *after, later])))
    found = survey(path)
    assert [(each.place, each.count) for each in found.left_out] == [("1.2.bz2:2", 1)]
    records = list(found.records())
    assert len(records) == found.responses == 5
    assert [record.request.follows_gap for record in records] == [False, False, True, True, False]


def test_no_price_from_before_a_lost_line_stays_on_offer(tmp_path: Path) -> None:
    path = tmp_path / "1.2.bz2"
    back = {"id": GULLS, "atb": [[2.5, 10]]}
    lines = [message(image(back)), b"broken", message(change(), ms=5_000)]
    again = message(image(back), ms=9_000)
    path.write_bytes(bz2.compress(b"\n".join([*lines, again])))
    decoder = BetfairDecoder()
    prices = [
        [
            quote.price
            for event in decoder.decode(record.request, record.response).events
            for quote in event.quotes
        ]
        for record in read(path)
    ]
    assert prices == [[2.5], [None], [2.5]]


@pytest.mark.parametrize("name", ["1.2", "1.2.bz2"])
def test_a_tape_whose_first_line_is_damaged_is_still_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"[]\n" + message(image()))
    (record,) = read(path)
    assert record.provider == "betfair_stream"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["1.2", "1.2.bz2", "1.2.json.gz"])
def test_a_tape_is_told_by_what_it_holds(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(pack(message(image())))
    (record,) = read(path)
    assert record.provider == "betfair_stream"


def test_a_spoilt_archive_is_a_data_failure(tmp_path: Path) -> None:
    path = tmp_path / "1.2.bz2"
    path.write_bytes(bz2.compress(message(image()))[:-20])
    with pytest.raises(DataFailure, match="cannot be read on"):
        list(read(path))


def test_a_missing_file_needs_a_person(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="cannot be opened"):
        list(read(tmp_path / "absent.bz2"))
