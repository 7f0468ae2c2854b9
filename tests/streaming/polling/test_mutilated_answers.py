"""Of a real answer, mutilated in every way, what can be read is ingested, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from betting.models import Provider, Quote, QuoteStatus
from streaming.core.failures import ProviderFailure
from streaming.core.snapshot import require_readable
from streaming.ingest import resolve
from streaming.models import PollOutcome, PollRun
from streaming.polling.feed_circuits import FeedCircuits
from streaming.polling.request import PollSession, make_admitted_request
from streaming.providers.base import Request, Response, Secret
from streaming.providers.http import fetch
from streaming.providers.registry import adapter
from streaming.simulator.running import RunningSimulator
from tests.contract.validity import assert_valid
from tests.support.polling import (
    EPL,
    KEY,
    NBA,
    config_with,
    everything_known,
    polled_provider,
)

CONFIG = config_with()

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Answered:
    """A provider that has answered well, its question, and the answer."""

    provider: Provider
    request: Request
    response: Response

    def answer(self, response: Response) -> PollRun:
        """Let the provider answer this way, and return the one row it leaves."""
        known = set(PollRun.objects.values_list("pk", flat=True))
        source = adapter(self.provider.adapter)
        session = PollSession(
            self.provider,
            source,
            source.decoder(),
            lambda _: response,
            FeedCircuits(self.provider, CONFIG),
        )
        make_admitted_request(session, self.request, CONFIG)
        return PollRun.objects.exclude(pk__in=known).get()


@pytest.fixture
def answered(simulator: RunningSimulator) -> Answered:
    provider = polled_provider(simulator)
    params = {
        "bookmakers": "pinnacle,betfair_ex_eu",
        "markets": "h2h,totals",
        "oddsFormat": "decimal",
    }
    request = Request("the_odds_api", simulator.base_url, f"/v4/sports/{EPL}/odds", params)
    authorisation = adapter(provider.adapter).authorise(request, Secret(KEY))
    answered = Answered(
        provider, request, fetch(request, authorisation, CONFIG.fetch, is_private_allowed=True)
    )
    assert answered.answer(answered.response).changes > 20
    return answered


Place = tuple[Any, ...]


def places(node: object, place: Place = ()) -> Iterator[Place]:
    """The keys and indices that lead to each node inside a JSON value."""
    children: Sequence[tuple[Any, Any]] = ()
    if isinstance(node, dict):
        children = list(node.items())
    elif isinstance(node, list):
        children = list(enumerate(node))
    for key, child in children:
        yield (*place, key)
        yield from places(child, (*place, key))


def parent_of(tree: Any, place: Place) -> Any:
    for key in place[:-1]:
        tree = tree[key]
    return tree


TEXTS = st.one_of(
    st.sampled_from(
        [
            "", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "😀" * 200, "\u202e", "h2h_lay",
            "spreads", "NaN", "2.0", "1e400", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59",
            "2026-02-30T00:00:00Z", "2026-03-01T12:00:00", "2026-03-01T12:00:00+14:00",
        ]
    ),
    st.sampled_from([64, 65, 128, 129, 200, 201, 100_000]).map("x".__mul__),
    st.text(max_size=8),
)  # fmt: skip
NUMBERS = st.one_of(
    st.sampled_from(
        [
            0, -1, 1, -0.0, 1.0000000000000002, 5e-324, 1e6, 1e6 + 1, 1e308, -1e308, 2**31, 2**63,
            10**400, float("inf"), float("-inf"), float("nan"),
        ]
    ),
    st.floats(),
    st.integers(),
)  # fmt: skip
VALUES = st.one_of(
    TEXTS, NUMBERS, st.none(), st.booleans(), st.just([]), st.just({}), st.just([[[]]])
)


@st.composite
def mutilated_trees(draw: st.DrawFn, body: bytes) -> Any:
    """The answer with a few of its nodes deleted, doubled, swapped or replaced."""
    tree = json.loads(body)
    for _ in range(draw(st.integers(0, 4))):
        found = list(places(tree))
        if not found:
            break
        place = draw(st.sampled_from(found))
        parent, key = parent_of(tree, place), place[-1]
        match draw(st.sampled_from(["delete", "replace", "double", "swap"])):
            case "delete":
                del parent[key]
            case "replace":
                parent[key] = draw(VALUES)
            case "double" if isinstance(parent, list):
                parent.append(parent[key])
            case _:
                # Any other node's value: right in type now and then, and wrong in place.
                other = draw(st.sampled_from(found))
                parent[key] = json.loads(json.dumps(parent_of(tree, other)[other[-1]]))
    return tree


@st.composite
def mutilated_bodies(draw: st.DrawFn, body: bytes) -> bytes:
    """Such an answer as bytes, which may in turn be cut short or spoilt."""
    is_ascii = draw(st.booleans())
    text = json.dumps(draw(mutilated_trees(body)), ensure_ascii=is_ascii)
    spoilt = bytearray(text.encode(errors="surrogatepass"))
    match draw(st.sampled_from(["whole", "whole", "whole", "cut", "splice", "noise"])):
        case "cut":
            del spoilt[draw(st.integers(0, len(spoilt))) :]
        case "splice":
            at = draw(st.integers(0, len(spoilt)))
            spoilt[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=6))
        case "noise":
            spoilt = bytearray(draw(st.binary(max_size=200)))
    return bytes(spoilt)


HEADERS = st.dictionaries(
    st.sampled_from(
        ["x-requests-remaining", "x-requests-used", "x-requests-last", "retry-after", "date"]
    ),
    st.one_of(TEXTS, NUMBERS.map(str)),
)
STATUSES = st.sampled_from([200] * 32 + [204, 301, 401, 404, 422, 429, 500, 503, 599])


def active_prices(provider: Provider) -> dict[tuple[Any, ...], float]:
    """What the database holds as on offer."""
    fields = (
        "market__event__aliases__external_id", "bookmaker__key", "market__kind", "market__period",
        "market__participant", "outcome__name", "outcome__point", "side", "price",
    )  # fmt: skip
    rows = Quote.objects.filter(feed__provider=provider, status=QuoteStatus.ACTIVE)
    return {tuple(key): price for *key, price in rows.values_list(*fields)}


def assert_ingested_as_far_as_it_can_be_read(answered: Answered, response: Response) -> None:
    before = everything_known()
    run = answered.answer(response)
    source = adapter(answered.provider.adapter)
    if run.outcome == PollOutcome.FAILED:
        assert run.failure_kind in {"transient", "permanent", "data"}
        assert (run.failure_code == "unstorable") == decodes(answered, response)
        assert everything_known() == before
        return
    assert run.outcome == PollOutcome.OK
    snapshot = source.decoder().decode(answered.request, response)
    assert_valid(snapshot, answered.request, response)
    assert active_prices(answered.provider) == {
        (
            event.external_id, quote.bookmaker, quote.kind, quote.period,
            quote.participant, quote.name, quote.point, quote.side,
        ): quote.price
        for event in snapshot.events
        for quote in event.quotes
    }  # fmt: skip


def decodes(answered: Answered, response: Response) -> bool:
    try:
        decoder = adapter(answered.provider.adapter).decoder()
        snapshot = decoder.decode(answered.request, response)
        require_readable(snapshot, CONFIG.poll.max_unreadable_share)
    except ProviderFailure:
        return False
    return True


PRICE = (0, "bookmakers", 0, "markets", 0, "outcomes", 0, "price")
NAME = (*PRICE[:-1], "name")


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (NAME, "\ud800", "no_name"),
        (NAME, "x" * 201, "wrong_schema"),
        (NAME, "", "wrong_schema"),
        (PRICE, "2.0", "wrong_schema"),
        (PRICE, 1e308, "wrong_schema"),
        (PRICE, float("nan"), "wrong_schema"),
        (PRICE, -110, "bad_price"),
        ((0, "id"), "x" * 129, "wrong_schema"),
        ((0, "sport_key"), NBA, "wrong_content"),
        ((0, "commence_time"), "2026-03-01T12:00:00", "wrong_schema"),
        ((0, "commence_time"), "9999-12-31T23:59:59-10:00", "bad_time"),
        ((0, "commence_time"), "1999-12-31T23:59:59Z", "bad_time"),
        ((0, "bookmakers"), None, "wrong_schema"),
        ((0,), [], "wrong_schema"),
    ],
)
def test_one_node_that_does_not_fit_costs_its_own_record_alone(
    answered: Answered, place: Place, value: object, code: str
) -> None:
    before = active_prices(answered.provider)
    tree = json.loads(answered.response.body)
    lost = {tree[0]["id"]}
    parent_of(tree, place)[place[-1]] = value
    run = answered.answer(replace(answered.response, body=json.dumps(tree).encode()))
    assert (run.outcome, run.left_out) == (PollOutcome.OK, 1)
    assert run.left_out_reasons[0]["reason"] == code
    after = active_prices(answered.provider)
    gone = before.keys() - after.keys()
    assert after == {key: price for key, price in before.items() if key not in gone}
    assert {key[0] for key in gone} == lost
    assert len(gone) == 1 or len(place) <= 2, "an outcome takes no other along"


@pytest.mark.parametrize("noise", ["a\x00b", "a\ud800b", "a\x1b\u202eb"])
def test_a_name_with_characters_that_no_name_has_is_cleaned(answered: Answered, noise: str) -> None:
    tree = json.loads(answered.response.body)
    parent_of(tree, NAME)[NAME[-1]] = noise
    run = answered.answer(replace(answered.response, body=json.dumps(tree).encode()))
    assert (run.outcome, run.left_out) == (PollOutcome.OK, 0)
    assert "ab" in {key[5] for key in active_prices(answered.provider)}


@settings(
    max_examples=60,
    deadline=None,
    # What the fixtures hold is rolled back to after each example.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_mutilated_answer_is_ingested_as_far_as_it_can_be_read_or_not_at_all(
    answered: Answered, data: st.DataObject
) -> None:
    good = answered.response
    response = replace(
        good,
        status=data.draw(STATUSES),
        headers={**good.headers, **data.draw(HEADERS)},
        body=data.draw(mutilated_bodies(good.body)),
    )
    with transaction.atomic():
        assert_ingested_as_far_as_it_can_be_read(answered, response)
        transaction.set_rollback(True)
    resolve.forget()
