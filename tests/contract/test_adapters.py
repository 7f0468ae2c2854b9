"""What every registered adapter owes the pipeline, shown on recorded payloads.

A payload is a recording (see `streaming.providers.recording`) in ``payloads/<adapter>/``. A new
adapter is tested here as soon as it is registered and has one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.core.failures import (
    DataFailure,
    PermanentFailure,
    ProviderFailure,
    TransientFailure,
)
from streaming.core.snapshot import Snapshot
from streaming.providers.base import Adapter, ProviderSettings, Secret
from streaming.providers.recording import Record, read
from streaming.providers.registry import ADAPTERS
from tests.contract.validity import assert_valid

PAYLOADS = Path(__file__).parent / "payloads"
KEY = "5ecre7c0ffee5ecre7c0ffee5ecre7c0"


def exchanges() -> Iterator[tuple[str, Record]]:
    for key in ADAPTERS:
        for path in sorted((PAYLOADS / key).glob("*.jsonl")):
            for record in read(path):
                yield key, record


EXCHANGES = list(exchanges())
# In a stream a refusal comes in a frame of an answer that is no HTTP error.
ANSWERS = [
    (key, record)
    for key, record in EXCHANGES
    if record.response.status == 200 and b'"type": "error"' not in record.response.body
]
# Nobody can be asked for a stream: it is replayed.
UNPOLLED = {"kalshi_stream"}
adapters = pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=list(ADAPTERS))
answers = pytest.mark.parametrize(
    ("key", "record"), ANSWERS, ids=[f"{key}{record.request.feed}" for key, record in ANSWERS]
)


def outcome_of(adapter: Adapter, record: Record) -> Snapshot | ProviderFailure:
    """What came of it; any other exception is a defect and fails the test."""
    try:
        return adapter.decoder().decode(record.request, record.response)
    except ProviderFailure as failure:
        return failure


def assert_refused_or_understood(adapter: Adapter, record: Record) -> None:
    outcome = outcome_of(adapter, record)
    if isinstance(outcome, Snapshot):
        assert_valid(outcome, record.request, record.response)
    else:
        assert outcome.kind in {"transient", "permanent", "data"}
        assert 0 < len(outcome.code) <= 64
        assert 0 < len(outcome.message) <= 500


@adapters
def test_an_adapter_is_registered_under_its_own_key_and_has_payloads(adapter: Adapter) -> None:
    assert ADAPTERS[adapter.key] is adapter
    assert any(key == adapter.key for key, _ in ANSWERS)


@answers
def test_an_answer_becomes_a_valid_snapshot(key: str, record: Record) -> None:
    snapshot = ADAPTERS[key].decoder().decode(record.request, record.response)
    assert_valid(snapshot, record.request, record.response)


@answers
def test_the_same_answer_always_means_the_same(key: str, record: Record) -> None:
    first = ADAPTERS[key].decoder().decode(record.request, record.response)
    assert ADAPTERS[key].decoder().decode(record.request, record.response) == first


@answers
def test_both_sides_of_a_two_way_line_meet(key: str, record: Record) -> None:
    snapshot = ADAPTERS[key].decoder().decode(record.request, record.response)
    for event in snapshot.events:
        for quote in event.quotes:
            if "spreads" in quote.kind and quote.point is not None and quote.line is not None:
                assert quote.line == (quote.point if quote.name == event.home else -quote.point)
            else:
                assert quote.line == quote.point


@answers
def test_a_feed_is_the_same_whatever_the_order_of_its_markets(key: str, record: Record) -> None:
    request = record.request
    params = dict(reversed(list(request.params.items())))
    if "markets" in params:
        params["markets"] = ",".join(reversed(params["markets"].split(",")))
    turned = replace(request, params=params)
    assert turned.feed == request.feed
    assert ADAPTERS[key].decoder().decode(turned, record.response).feed == request.feed


@pytest.mark.parametrize(("key", "record"), EXCHANGES)
def test_the_key_is_shown_by_nothing_but_the_authorisation_itself(key: str, record: Record) -> None:
    secret = Secret(KEY)
    authorisation = ADAPTERS[key].authorise(record.request, secret)
    assert KEY not in repr((secret, authorisation, record.request, record.response))
    assert KEY not in record.request.url + record.request.feed


@pytest.mark.parametrize(("key", "record"), EXCHANGES)
def test_an_allowance_is_a_count_or_unknown(key: str, record: Record) -> None:
    quota = ADAPTERS[key].quota(record.response)
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
    key: str, record: Record, status: int, failure: type[ProviderFailure]
) -> None:
    response = replace(record.response, status=status, headers={"retry-after": "3"}, body=b"")
    with pytest.raises(failure) as caught:
        ADAPTERS[key].decoder().decode(record.request, response)
    if isinstance(caught.value, TransientFailure):
        assert caught.value.retry_after_seconds == 3
    if isinstance(caught.value, PermanentFailure):
        assert caught.value.advice


@answers
def test_an_answer_cut_short_anywhere_is_refused(key: str, record: Record) -> None:
    body = record.response.body
    for length in range(0, len(body), max(1, len(body) // 200)):
        cut = replace(record.response, body=body[:length])
        with pytest.raises(DataFailure):
            ADAPTERS[key].decoder().decode(record.request, cut)


@answers
def test_nesting_without_end_is_refused(key: str, record: Record) -> None:
    for body in (b"[" * 200_000, b'[{"x":' + b"[" * 200_000, b'{"x":' * 200_000):
        with pytest.raises(DataFailure):
            ADAPTERS[key].decoder().decode(record.request, replace(record.response, body=body))


@settings(deadline=None)
@given(st.sampled_from(EXCHANGES), st.binary(max_size=200), st.integers(0, 10_000))
def test_bytes_of_any_kind_are_refused_or_understood(
    exchange: tuple[str, Record], noise: bytes, position: int
) -> None:
    key, record = exchange
    body = record.response.body
    position %= len(body)
    spoiled = body[:position] + noise + body[position + len(noise) :]
    for mangled in (noise, spoiled):
        response = replace(record.response, body=mangled)
        assert_refused_or_understood(ADAPTERS[key], replace(record, response=response))


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
def mutated_exchanges(draw: st.DrawFn) -> tuple[str, Record]:
    """A payload in which some values are deleted, replaced or repeated."""
    key, record = draw(st.sampled_from(ANSWERS))
    body = [copy.deepcopy(json.loads(record.response.body))]
    for _ in range(draw(st.integers(1, 3))):
        container, index = draw(st.sampled_from(list(places(body))))
        action = draw(st.sampled_from(["delete", "replace", "repeat"]))
        if action == "replace":
            container[index] = draw(JSON_VALUES)
        elif container is not body and action == "delete":
            del container[index]
        elif isinstance(container, list) and container is not body:
            container.append(copy.deepcopy(container[index]))
    response = replace(record.response, body=json.dumps(body[0]).encode())
    return key, replace(record, response=response)


@settings(max_examples=300, deadline=None)
@given(mutated_exchanges())
def test_a_payload_changed_at_random_is_refused_or_understood_whole(
    exchange: tuple[str, Record],
) -> None:
    key, record = exchange
    assert_refused_or_understood(ADAPTERS[key], record)


@pytest.mark.parametrize("key", sorted(ADAPTERS.keys() - UNPOLLED))
def test_settings_become_requests_that_know_their_adapter(key: str, tmp_path: Path) -> None:
    adapter = ADAPTERS[key]
    requests = list(adapter.requests(settings_of(key, tmp_path)))
    assert requests
    assert all(request.adapter in ADAPTERS for request in requests)
    # An answer orders itself against those of its own feed alone.
    assert len({request.feed for request in requests}) == len(requests)
    assert [request.feed for request in adapter.requests(settings_of(key, tmp_path))] == [
        request.feed for request in requests
    ]


@pytest.mark.parametrize("key", sorted(UNPOLLED))
def test_an_adapter_that_cannot_be_polled_says_what_to_do_instead(key: str, tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure) as caught:
        ADAPTERS[key].requests(settings_of(key, tmp_path))
    assert caught.value.advice


def settings_of(key: str, folder: Path) -> ProviderSettings:
    """What any adapter can be polled with: a sport that all know, and a recording."""
    recording = folder / "one.jsonl"
    _, record = ANSWERS[0]
    recording.write_bytes(record_line(record))
    return ProviderSettings(
        key="mine",
        adapter=key,
        base_url=str(recording),
        sports=("basketball_nba",),
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
