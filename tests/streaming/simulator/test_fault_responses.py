"""Every fault, as a client of the network sees it."""

from __future__ import annotations

import gzip
import http.client
import threading
import time
import zlib
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest

from streaming.simulator.fault_responses import wrong_schema
from streaming.simulator.faults import KINDS, FaultKind, FaultRule
from streaming.simulator.running import RunningSimulator, running_simulator
from tests.streaming.simulator.conftest import SMALL, Client

SPORT = "soccer_epl"
PATH = f"/v4/sports/{SPORT}/odds"
TARGET = f"{PATH}?apiKey=simulator&regions=eu,uk,us&markets=h2h,spreads,totals"


@pytest.mark.parametrize("kind", ["500", "502", "503"])
def test_a_server_error_is_a_page_of_html(
    simulator: RunningSimulator, client: Client, kind: FaultKind
) -> None:
    simulator.fail(SPORT, kind)
    reply = client.send("GET", TARGET)
    assert reply.status == int(kind)
    assert reply.headers["content-type"].startswith("text/html")
    with pytest.raises(msgspec.DecodeError):
        reply.json()


def test_a_429_says_when_to_come_back(simulator: RunningSimulator, client: Client) -> None:
    simulator.faults.put(FaultRule(SPORT, "429", retry_after_seconds=7))
    reply = client.send("GET", TARGET)
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")
    assert reply.json()["error_code"] == "EXCEEDED_FREQ_LIMIT"


@pytest.mark.parametrize(
    ("kind", "code"), [("401", "INVALID_KEY"), ("out_of_credits", "OUT_OF_USAGE_CREDITS")]
)
def test_a_401_says_in_its_body_whether_the_key_or_the_quota_is_at_fault(
    simulator: RunningSimulator, client: Client, kind: FaultKind, code: str
) -> None:
    simulator.fail(SPORT, kind)
    reply = client.send("GET", TARGET)
    assert (reply.status, reply.json()["error_code"]) == (401, code)


def test_a_reset_breaks_the_connection_without_an_answer(
    simulator: RunningSimulator, client: Client
) -> None:
    simulator.fail(SPORT, "reset")
    with pytest.raises(ConnectionResetError) as error:
        client.send("GET", TARGET)
    # A connection that is merely closed raises the subclass below instead.
    assert not isinstance(error.value, http.client.RemoteDisconnected)


def test_a_hang_accepts_and_never_answers(simulator: RunningSimulator, client: Client) -> None:
    simulator.fail(SPORT, "hang")
    with pytest.raises(TimeoutError):
        client.send("GET", TARGET, timeout=0.3)


def test_a_hang_ends_at_its_bound(simulator: RunningSimulator, client: Client) -> None:
    simulator.fail(SPORT, "hang", seconds=0.2)
    with pytest.raises(ConnectionResetError):
        client.send("GET", TARGET, timeout=5)


def test_a_slow_drip_feeds_every_read_and_never_ends(
    simulator: RunningSimulator, client: Client
) -> None:
    simulator.fail(SPORT, "slow_drip", seconds=1.0)
    began = time.monotonic()
    # No single read waits as long as the time-out; the body still does not come.
    with pytest.raises(http.client.IncompleteRead) as error:
        client.send("GET", TARGET, timeout=0.9)
    assert time.monotonic() - began > 0.8
    assert len(error.value.partial) == 5


def test_a_truncated_body_promises_more_than_it_sends(
    simulator: RunningSimulator, client: Client
) -> None:
    simulator.fail(SPORT, "truncated")
    with pytest.raises(http.client.IncompleteRead) as error:
        client.send("GET", TARGET)
    sent, missing = len(error.value.partial), error.value.expected or 0
    assert sent > 1000
    assert abs(sent - missing) <= 1


def test_invalid_json_arrives_whole(simulator: RunningSimulator, client: Client) -> None:
    simulator.fail(SPORT, "invalid_json")
    reply = client.send("GET", TARGET)
    assert reply.status == 200
    assert int(reply.headers["content-length"]) == len(reply.body)
    with pytest.raises(msgspec.DecodeError):
        reply.json()


def test_a_wrong_schema_is_valid_json(simulator: RunningSimulator, client: Client) -> None:
    simulator.fail(SPORT, "wrong_schema")
    reply = client.send("GET", TARGET)
    assert reply.status == 200
    assert not fits(reply.json())


def test_a_huge_body_is_as_large_as_asked(simulator: RunningSimulator, client: Client) -> None:
    simulator.faults.put(FaultRule(SPORT, "huge", megabytes=3))
    reply = client.send("GET", TARGET)
    assert len(reply.body) == 3 * 1024 * 1024 + 2
    assert reply.json() == []


def test_a_gzip_bomb_is_small_on_the_wire(simulator: RunningSimulator, client: Client) -> None:
    simulator.faults.put(FaultRule(SPORT, "gzip_bomb", megabytes=8))
    reply = client.send("GET", TARGET)
    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.body) < 20_000
    assert len(gzip.decompress(reply.body)) == 8 * 1024 * 1024 + 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_request_is_answered_once_a_fault_is_gone(
    simulator: RunningSimulator, client: Client, kind: FaultKind
) -> None:
    simulator.faults.put(FaultRule(SPORT, kind, seconds=0.1, megabytes=1))
    with suppress(OSError, http.client.HTTPException):
        client.send("GET", TARGET)
    simulator.faults.clear()
    assert fits(client.send("GET", TARGET).json())


def test_a_fault_of_one_sport_leaves_the_others_alone(
    simulator: RunningSimulator, client: Client
) -> None:
    simulator.fail(SPORT, "500")
    assert client.get("/v4/sports/baseball_mlb/odds", regions="eu").status == 200


def test_the_server_stops_at_once_although_a_request_hangs() -> None:
    with running_simulator(policy=SMALL) as simulator:
        simulator.fail(SPORT, "hang")
        client = Client(simulator.base_url, simulator.api_key)
        failures: list[Exception] = []

        def request() -> None:
            try:
                client.send("GET", TARGET, timeout=30)
            except (OSError, http.client.HTTPException) as error:
                failures.append(error)

        thread = threading.Thread(target=request)
        thread.start()
        deadline = time.monotonic() + 5
        while not simulator.calls.count(SPORT) and time.monotonic() < deadline:
            thread.join(0.01)
        began = time.monotonic()
    thread.join()
    assert time.monotonic() - began < 5
    assert failures


def test_every_way_to_break_the_schema_occurs_and_breaks_it(client: Client) -> None:
    body = client.send("GET", TARGET).body
    spoiled = {wrong_schema(body, Random(seed)) for seed in range(40)}
    assert len(spoiled) == 4
    assert not any(fits(msgspec.json.decode(answer)) for answer in spoiled)


def test_an_answer_without_events_can_be_spoiled_too() -> None:
    assert wrong_schema(b"[]", Random(1)) == b'{"data":[]}'


def test_without_a_fault_the_answer_fits_gzipped_too(client: Client) -> None:
    reply = client.send("GET", TARGET, headers={"Accept-Encoding": "gzip"})
    assert fits(msgspec.json.decode(zlib.decompress(reply.body, wbits=31)))


class _Outcome(msgspec.Struct):
    name: str
    price: float


class _Market(msgspec.Struct):
    key: str
    last_update: str
    outcomes: list[_Outcome]


class _Book(msgspec.Struct):
    key: str
    markets: list[_Market]


class _Event(msgspec.Struct):
    id: str
    commence_time: str
    bookmakers: list[_Book]


def fits(answer: Any) -> bool:
    """Whether an answer is a list of events, read independently of the product's adapter."""
    try:
        return bool(msgspec.convert(answer, list[_Event]))
    except msgspec.ValidationError:
        return False
