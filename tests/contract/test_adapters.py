"""What every registered adapter owes the pipeline, shown on recorded payloads.

A payload is a recording (see `streaming.providers.recording.adapter`) in ``payloads/<adapter>/``,
and a session: an answer is read by a decoder that has read the answers before it. A new
adapter is tested here as soon as it is registered and has one. ``<payload>.expected.txt`` beside a
payload says what it means; see `meaning`. docs/adding-a-provider.md is the way through all of it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from streaming.core.failures import (
    DataFailure,
    PermanentFailure,
    ProviderFailure,
    TransientFailure,
)
from streaming.core.snapshot import Snapshot
from streaming.providers._template import Template
from streaming.providers.base import Adapter, Decoder, ProviderSettings, Request, Response, Secret
from streaming.providers.recording.adapter import Record, read
from streaming.providers.registry import ADAPTERS
from tests.contract.validity import assert_valid

TESTED: Mapping[str, Adapter] = {**ADAPTERS, Template.key: Template()}
"""The adapters that can be polled, and the one that new ones begin as."""
PAYLOADS = Path(__file__).parent / "payloads"
KEY = "5ecre7c0ffee5ecre7c0ffee5ecre7c0"


@dataclass(frozen=True)
class Exchange:
    """A recorded request and its answer, in their session."""

    key: str
    recording: str
    record: Record
    before: tuple[Record, ...]

    @property
    def adapter(self) -> Adapter:
        return TESTED[self.key]

    @property
    def request(self) -> Request:
        return self.record.request

    @property
    def response(self) -> Response:
        return self.record.response

    def decoder(self) -> Decoder:
        """One that has read what came before."""
        decoder = self.adapter.decoder()
        for earlier in self.before:
            decoder.decode(earlier.request, earlier.response)
        return decoder

    def decode(self, response: Response | None = None, request: Request | None = None) -> Snapshot:
        """What the answer, or another in its place, means in this session."""
        return self.decoder().decode(request or self.request, response or self.response)


def exchanges() -> Iterator[Exchange]:
    for key in TESTED:
        for path in sorted((PAYLOADS / key).glob("*.jsonl")):
            before: list[Record] = []
            for record in read(path):
                yield Exchange(key, path.name, record, tuple(before))
                if record.response.status == 200:
                    before.append(record)


def named(exchange: Exchange) -> str:
    return f"{exchange.key}{exchange.request.path}"


EXCHANGES = list(exchanges())
# In a stream a refusal comes in a frame of an answer that is no HTTP error.
ANSWERS = [
    exchange
    for exchange in EXCHANGES
    if exchange.response.status == 200 and b'"type": "error"' not in exchange.response.body
]
# What their payloads mean is held by tests of their own, in tests/streaming/providers.
TESTED_BY_THEMSELVES = {"the_odds_api", "kalshi", "kalshi_stream", "betfair_stream", "recording"}
# Nobody can be asked for a stream: it is replayed.
UNPOLLED = {"kalshi_stream"}
# Their messages build on each other: one that cannot be read is a hole that only images fill.
STREAMS = {"kalshi_stream", "betfair_stream"}
IMAGES = (b"orderbook_snapshot", b'"img": true', b'"img":true', b"SUB_IMAGE")
adapters = pytest.mark.parametrize("adapter", TESTED.values(), ids=list(TESTED))
answers = pytest.mark.parametrize("exchange", ANSWERS, ids=named)
every_exchange = pytest.mark.parametrize("exchange", EXCHANGES, ids=named)


def outcome_of(exchange: Exchange, response: Response) -> Snapshot | ProviderFailure:
    """What came of it; any other exception is a defect and fails the test."""
    try:
        return exchange.decode(response)
    except ProviderFailure as failure:
        return failure


def assert_refused_or_understood(exchange: Exchange, response: Response) -> None:
    outcome = outcome_of(exchange, response)
    if isinstance(outcome, Snapshot):
        assert_valid(outcome, exchange.request, response)
    else:
        assert outcome.kind in {"transient", "permanent", "data"}
        assert 0 < len(outcome.code) <= 64
        assert 0 < len(outcome.message) <= 500


@adapters
def test_an_adapter_is_registered_under_its_own_key_and_has_payloads(adapter: Adapter) -> None:
    assert TESTED[adapter.key] is adapter
    assert any(exchange.key == adapter.key for exchange in ANSWERS)


@answers
def test_an_answer_becomes_a_valid_snapshot(exchange: Exchange) -> None:
    snapshot = exchange.decode()
    assert_valid(snapshot, exchange.request, exchange.response)


@pytest.mark.parametrize("key", sorted(TESTED.keys() - TESTED_BY_THEMSELVES))
def test_what_the_payloads_of_an_adapter_mean_is_written_down(key: str) -> None:
    expected = [path.with_suffix(".expected.txt") for path in (PAYLOADS / key).glob("*.jsonl")]
    assert [path.name for path in expected if not path.is_file()] == []


@pytest.mark.parametrize(
    "payload",
    sorted(PAYLOADS.glob("*/*.expected.txt")),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_a_payload_means_what_is_written_beside_it(payload: Path) -> None:
    recording = payload.name.replace(".expected.txt", ".jsonl")
    found = [
        exchange
        for exchange in EXCHANGES
        if exchange.key == payload.parent.name and exchange.recording == recording
    ]
    assert "\n".join(map(meaning, found)) == payload.read_text("utf-8")


def meaning(exchange: Exchange) -> str:
    """Return what an answer is decoded to, a line for each item; quotes in the order of fields."""
    lines = [f"{exchange.request.feed} {exchange.response.status}"]
    outcome = outcome_of(exchange, exchange.response)
    if isinstance(outcome, ProviderFailure):
        lines.append(f"failure: {outcome.kind} | {outcome.code} | {outcome.scope} | {outcome}")
        return "\n".join([*lines, ""])
    lines.append(
        f"is_list={outcome.is_list} is_complete={outcome.is_complete}"
        f" stamps_confirm={outcome.stamps_confirm}"
    )
    for event in outcome.events:
        start = event.commence_time.isoformat()
        lines.append(f"event: {event.external_id} | {event.home} | {event.away} | {start}")
        lines += [" | ".join(map(str, astuple(quote))) for quote in event.quotes]
    lines += [f"missed: {external_id}" for external_id in outcome.missed_events]
    lines += [f"left out: {one.reason} | {one.place} | {one.count}" for one in outcome.left_out]
    return "\n".join([*lines, ""])


@answers
def test_the_same_answer_always_means_the_same(exchange: Exchange) -> None:
    first = exchange.decode()
    assert exchange.decode() == first


@answers
def test_both_sides_of_a_two_way_line_meet(exchange: Exchange) -> None:
    snapshot = exchange.decode()
    for event in snapshot.events:
        for quote in event.quotes:
            if "spreads" in quote.kind and quote.point is not None and quote.line is not None:
                assert quote.line == (quote.point if quote.name == event.home else -quote.point)
            else:
                assert quote.line == quote.point


@answers
def test_a_feed_is_the_same_whatever_the_order_of_its_markets(exchange: Exchange) -> None:
    request = exchange.request
    params = dict(reversed(list(request.params.items())))
    if "markets" in params:
        params["markets"] = ",".join(reversed(params["markets"].split(",")))
    turned = replace(request, params=params)
    assert turned.feed == request.feed
    assert exchange.decode(request=turned).feed == request.feed


@every_exchange
def test_the_key_is_shown_by_nothing_but_the_authorisation_itself(exchange: Exchange) -> None:
    secret = Secret(KEY)
    request = exchange.request
    authorisation = exchange.adapter.authorise(request, secret)
    assert KEY not in repr((secret, authorisation, request, exchange.response))
    assert KEY not in request.url + request.feed


@every_exchange
def test_an_allowance_is_a_count_or_unknown(exchange: Exchange) -> None:
    quota = exchange.adapter.quota(exchange.response)
    for count in (quota.remaining, quota.used, quota.last):
        assert count is None or count >= 0


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (204, DataFailure),
        (302, PermanentFailure),
        (401, PermanentFailure),
        (403, PermanentFailure),
        (404, PermanentFailure),
        (429, TransientFailure),
        (500, TransientFailure),
        (502, TransientFailure),
        (503, TransientFailure),
    ],
)
@answers
def test_a_status_without_a_word_is_a_failure_of_its_kind(
    exchange: Exchange, status: int, failure: type[ProviderFailure]
) -> None:
    response = replace(exchange.response, status=status, headers={"retry-after": "3"}, body=b"")
    with pytest.raises(failure) as caught:
        exchange.decode(response)
    if isinstance(caught.value, TransientFailure):
        assert caught.value.retry_after_seconds == 3
    if isinstance(caught.value, PermanentFailure):
        assert caught.value.advice


@answers
def test_an_answer_cut_short_anywhere_is_refused(exchange: Exchange) -> None:
    body = exchange.response.body
    for length in range(0, len(body), max(1, len(body) // 200)):
        with pytest.raises(DataFailure):
            exchange.decode(replace(exchange.response, body=body[:length]))


@answers
def test_a_refused_answer_leaves_no_trace_or_a_hole_that_images_fill(
    exchange: Exchange,
) -> None:
    decoder = exchange.decoder()
    for spoilt in (exchange.response.body[:-1], exchange.response.body + b"x", b""):
        with pytest.raises(DataFailure):
            decoder.decode(exchange.request, replace(exchange.response, body=spoilt))
    if exchange.key in STREAMS:
        after = decoder.decode(exchange.request, exchange.response)
        offered = [quote for event in after.events for quote in event.quotes if quote.price]
        assert not offered or any(image in exchange.response.body for image in IMAGES)
    else:
        assert decoder.decode(exchange.request, exchange.response) == exchange.decode()


@answers
def test_nesting_without_end_is_refused(exchange: Exchange) -> None:
    for body in (b"[" * 200_000, b'[{"x":' + b"[" * 200_000, b'{"x":' * 200_000):
        with pytest.raises(DataFailure):
            exchange.decode(replace(exchange.response, body=body))


@settings(deadline=None)
@given(st.sampled_from(EXCHANGES), st.binary(max_size=200), st.integers(0, 10_000))
def test_bytes_of_any_kind_are_refused_or_understood(
    exchange: Exchange, noise: bytes, position: int
) -> None:
    body = exchange.response.body
    position %= len(body)
    spoiled = body[:position] + noise + body[position + len(noise) :]
    for mangled in (noise, spoiled):
        assert_refused_or_understood(exchange, replace(exchange.response, body=mangled))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.sampled_from([0, 1, -1, -0.0, 1.0, 1e-9, 1e308, -110, 1e6, 1000001])
    | st.sampled_from(["", "\x00", "\ud800", "x" * 65, "x" * 300, "_lay", "_h1", "spreads\n"])
    | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00"])
    | st.text(max_size=20)
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, index or key) inside a JSON value."""
    for index, child in list(enumerate(node) if isinstance(node, list) else node.items()):
        yield node, index
        if isinstance(child, list | dict):
            yield from places(child)


@st.composite
def mutated_answers(draw: st.DrawFn, key: str) -> tuple[Exchange, Response]:
    """An adapter's payload in which some values are deleted, replaced or repeated."""
    exchange = draw(st.sampled_from([each for each in ANSWERS if each.key == key]))
    body = [copy.deepcopy(json.loads(exchange.response.body))]
    for _ in range(draw(st.integers(1, 3))):
        container, index = draw(st.sampled_from(list(places(body))))
        action = draw(st.sampled_from(["delete", "replace", "repeat"]))
        if action == "replace":
            container[index] = draw(JSON_VALUES)
        elif container is not body and action == "delete":
            del container[index]
        elif isinstance(container, list) and container is not body:
            container.append(copy.deepcopy(container[index]))
    return exchange, replace(exchange.response, body=json.dumps(body[0]).encode())


EXTREMES: tuple[Callable[[float], float], ...] = (
    lambda number: number * 1_000,  # milliseconds for seconds
    lambda _number: 10**18,
    lambda _number: -(10**18),
    lambda _number: 1e308,
    lambda _number: 0,
)


@answers
def test_a_number_out_of_all_bounds_is_refused_or_understood_whole(exchange: Exchange) -> None:
    body = [json.loads(exchange.response.body)]
    numbers = [
        (container, index)
        for container, index in places(body)
        if isinstance(container[index], int | float) and not isinstance(container[index], bool)
    ]
    for container, index in numbers[:: max(1, len(numbers) // 30)]:
        number = container[index]
        for extreme in EXTREMES:
            container[index] = extreme(number)
            changed = replace(exchange.response, body=json.dumps(body[0]).encode())
            assert_refused_or_understood(exchange, changed)
        container[index] = number


@pytest.mark.parametrize("key", TESTED)
@settings(deadline=None)
@given(data=st.data())
def test_a_payload_changed_at_random_is_refused_or_understood_whole(
    key: str, data: st.DataObject
) -> None:
    assert_refused_or_understood(*data.draw(mutated_answers(key)))


@pytest.mark.parametrize("key", sorted(TESTED.keys() - UNPOLLED))
def test_settings_become_requests_that_know_their_adapter(key: str, tmp_path: Path) -> None:
    adapter = TESTED[key]
    requests = list(adapter.requests(settings_of(key, tmp_path)))
    assert requests
    assert all(request.adapter in TESTED for request in requests)
    # An answer orders itself against those of its own feed alone.
    assert len({request.feed for request in requests}) == len(requests)
    assert [request.feed for request in adapter.requests(settings_of(key, tmp_path))] == [
        request.feed for request in requests
    ]


@pytest.mark.parametrize("key", sorted(UNPOLLED))
def test_an_adapter_that_cannot_be_polled_says_what_to_do_instead(key: str, tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure) as caught:
        TESTED[key].requests(settings_of(key, tmp_path))
    assert caught.value.advice


def settings_of(key: str, folder: Path) -> ProviderSettings:
    """What any adapter can be polled with: sports that all know, and a recording."""
    recording = folder / "one.jsonl"
    recording.write_bytes(record_line(ANSWERS[0].record))
    return ProviderSettings(
        key="mine",
        adapter=key,
        base_url=str(recording),
        sports=("basketball_nba", "baseball_mlb"),
        markets=("h2h", "totals"),
        regions=("eu",),
    )


def record_line(record: Record) -> bytes:
    return json.dumps(
        {
            "received_at": record.received_at.isoformat(),
            "provider": record.provider,
            "request": {"path": record.request.path, "params": dict(record.request.params)},
            "status": record.response.status,
            "body": json.loads(record.response.body),
        }
    ).encode()
