from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from betting.models import Event, Feed, Provider, Quote
from streaming.core.failures import DataFailure, PermanentFailure, ProviderFailure
from streaming.core.snapshot import Snapshot
from streaming.models import Circuit, FeedCircuit, PollOutcome
from streaming.providers.base import Decoder, ProviderSettings, Request, Response, Secret
from streaming.providers.kalshi.adapter import ERROR_CODES, MAX_PAGES, Kalshi
from streaming.providers.recording.adapter import read
from tests.streaming.providers.conftest import WireServer
from tests.support.polling import poll_now

API = Kalshi()
PAYLOAD = Path(__file__).parents[2] / "contract" / "payloads" / "kalshi" / "events.jsonl"
NOW = datetime(2027, 3, 1, 18, tzinfo=UTC)


def request(series: str = "KXMLBGAME", path: str = "/events") -> Request:
    return Request("kalshi", "https://api.example/v2", path, {"series_ticker": series})


def response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    packed = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers or {}, packed, NOW, 12.0, len(packed))


def event(rest: str = "27MAR011910GULOWL", series: str = "KXMLBGAME") -> dict[str, Any]:
    contract = {
        "status": "active",
        "yes_sub_title": "Owls",
        "yes_bid_dollars": "0.4000",
        "yes_ask_dollars": "0.5000",
        "updated_time": "2027-03-01T17:59:58Z",
    }
    return {
        "event_ticker": f"{series}-{rest}",
        "series_ticker": series,
        "title": "Gulls vs Owls",
        "markets": [contract],
    }


def decoded(body: Any, asked: Request | None = None) -> Snapshot:
    return API.decoder().decode(asked or request(), response(body))


def failure_of(answer: Response, asked: Request | None = None) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        API.decoder().decode(asked or request(), answer)
    return caught.value


def settings(*sports: str, markets: tuple[str, ...] = ("h2h",), **more: Any) -> ProviderSettings:
    return ProviderSettings("mine", "kalshi", "https://api.example/v2", sports, markets, **more)


def test_each_kind_of_market_of_each_sport_is_one_request() -> None:
    wanted = settings("baseball_mlb", "americanfootball_nfl", markets=("h2h", "totals"))
    requests = list(API.requests(wanted))
    assert [one.params["series_ticker"] for one in requests] == [
        "KXMLBGAME",
        "KXMLBTOTAL",
        "KXNFLGAME",
        "KXNFLTOTAL",
    ]
    assert requests[0].url == (
        "https://api.example/v2/events"
        "?series_ticker=KXMLBGAME&status=open&with_nested_markets=true&limit=200"
    )
    assert requests[0].feed == "/events?series_ticker=KXMLBGAME"


def test_outrights_are_asked_of_the_title_and_of_the_awards() -> None:
    requests = API.requests(settings("americanfootball_nfl", markets=("outrights",)))
    assert [one.params["series_ticker"] for one in requests] == ["KXSB", "KXNFLMVP"]


@pytest.mark.parametrize(
    ("wanted", "code", "advice"),
    [
        (settings("baseball_mbl"), "unsupported_sport", "Did you mean 'baseball_mlb'?"),
        (settings("baseball_mlb", markets=("spread",)), "unsupported_market",
         "Did you mean 'spreads'?"),
        (settings("americanfootball_cfl", markets=("outrights",)), "unsupported_market",
         "There are: h2h, spreads, totals."),
    ],
)  # fmt: skip
def test_what_kalshi_does_not_list_is_a_feed_that_is_refused_before_it_is_asked(
    wanted: ProviderSettings, code: str, advice: str
) -> None:
    (asked,) = API.requests(wanted)
    assert asked.refusal is not None
    assert (asked.refusal.code, asked.refusal.scope) == (code, "feed")
    assert asked.refusal.advice.startswith(advice)


def test_markets_that_are_asked_event_by_event_are_refused() -> None:
    with pytest.raises(PermanentFailure) as caught:
        API.requests(settings("baseball_mlb", event_markets=("player_hits",)))
    assert caught.value.code == "unsupported_market"
    assert caught.value.advice.startswith("Name them as markets")


def test_no_key_is_sent() -> None:
    assert API.authorise(request(), Secret("abc")).params == {}


def test_a_list_of_games_is_the_list_of_the_sport() -> None:
    snapshot = decoded({"events": [event()], "cursor": ""})
    assert (snapshot.is_list, snapshot.is_complete) == (True, True)
    assert snapshot.bookmakers == {"kalshi": "Kalshi"}


def test_a_list_of_totals_may_leave_out_games() -> None:
    snapshot = decoded({"events": []}, request("KXMLBTOTAL"))
    assert (snapshot.is_list, snapshot.is_complete) == (False, True)
    assert snapshot.sport_key == "baseball_mlb"


def pages(*bodies: Any, decoder: Decoder | None = None) -> Snapshot:
    """Read pages one after the other, each asked for as the one before it says."""
    reader = decoder or API.decoder()
    asked: Request | None = request()
    for body in bodies:
        assert asked is not None
        snapshot = reader.decode(asked, response(body))
        asked = API.following(asked, response(body))
    return snapshot


OTHER = event("27MAR021910SEAOWL")


def test_the_pages_of_a_list_are_one_complete_answer() -> None:
    first = pages({"events": [event()], "cursor": "CgYI"})
    assert (first.is_page, first.events, first.is_complete) == (True, [], False)
    asked = API.following(request(), response({"events": [event()], "cursor": "CgYI"}))
    assert asked is not None
    assert asked.url.endswith("&cursor=CgYI")
    assert asked.feed == request().feed
    whole = pages({"events": [event()], "cursor": "CgYI"}, {"events": [OTHER], "cursor": ""})
    assert (whole.is_page, whole.is_complete, whole.is_list) == (False, True, True)
    assert [e.external_id for e in whole.events] == [
        "KXMLB-27MAR011910GULOWL",
        "KXMLB-27MAR021910SEAOWL",
    ]


def test_what_pads_the_end_of_a_page_does_not_lose_the_next_one() -> None:
    first = response({"events": [event()], "cursor": "CgYI"})
    padded = replace(first, body=first.body + b"\n\0\0")
    assert API.decoder().decode(request(), padded).is_page
    asked = API.following(request(), padded)
    assert asked is not None
    assert asked.params["cursor"] == "CgYI"


def test_an_answer_of_pages_is_as_old_as_the_first() -> None:
    reader = API.decoder()
    first = response({"events": [event()], "cursor": "a"})
    reader.decode(request(), first)
    asked = API.following(request(), first)
    assert asked is not None
    late = replace(response({"events": [OTHER]}), received_at=NOW + timedelta(seconds=9))
    assert reader.decode(asked, late).received_at == NOW


def test_a_page_without_the_one_before_it_is_no_answer() -> None:
    alone = replace(request(), params={**request().params, "cursor": "CgYI"})
    assert failure_of(response({"events": [OTHER]}), alone).code == "lost_page"


def test_a_page_that_fails_takes_those_before_it_along() -> None:
    reader = API.decoder()
    first = response({"events": [event()], "cursor": "a"})
    reader.decode(request(), first)
    asked = API.following(request(), first)
    assert asked is not None
    for answer in (response(b"", 503), response({"events": [OTHER]})):
        with pytest.raises(ProviderFailure):
            reader.decode(asked, answer)


def test_pages_without_end_are_refused() -> None:
    endless = [{"events": [event()], "cursor": "same"}] * MAX_PAGES
    with pytest.raises(DataFailure) as caught:
        pages(*endless)
    assert (caught.value.code, caught.value.where) == ("more_pages", "cursor")


def test_an_event_that_cannot_be_read_is_left_out_of_its_list() -> None:
    odd = {**OTHER, "title": "Owls"}
    snapshot = decoded({"events": [event(), odd]})
    assert [e.external_id for e in snapshot.events] == ["KXMLB-27MAR011910GULOWL"]
    assert [(each.reason, each.place) for each in snapshot.left_out] == [
        ("bad_title", "$.events[1].title")
    ]
    assert snapshot.missed_events == ("KXMLB-27MAR021910SEAOWL",)


def test_a_list_with_an_event_that_nobody_can_name_ends_no_other() -> None:
    assert decoded({"events": [event(), OTHER]}).is_list
    assert not decoded({"events": [event(), None]}).is_list
    assert not decoded({"events": [event(), {**OTHER, "event_ticker": "KXMLBGAME-27"}]}).is_list


def test_an_event_without_contracts_is_left_out() -> None:
    assert decoded({"events": [{**event(), "markets": []}]}).events == []


@pytest.mark.parametrize(
    ("events", "code", "where"),
    [
        ([event(series="KXNBAGAME")], "wrong_content", "$.events[0].series_ticker"),
        ([{**event(), "event_ticker": "KXMLB-27"}], "bad_ticker", "$.events[0].event_ticker"),
        ([{**event(), "title": "Owls"}], "bad_title", "$.events[0].title"),
    ],
)
def test_an_answer_about_something_else_is_refused(
    events: list[Any], code: str, where: str
) -> None:
    failure = failure_of(response({"events": events}))
    assert isinstance(failure, DataFailure)
    assert (failure.code, failure.where) == (code, where)


@pytest.mark.parametrize("asked", [request("KXBTC"), request(path="/markets"), request("")])
def test_a_request_for_no_known_series_is_refused(asked: Request) -> None:
    assert failure_of(response({"events": []}), asked).code == "bad_path"


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_an_error_code_decides_in_either_wrapping(code: str, nested: bool) -> None:
    words = {"code": code, "message": "no"}
    failure = failure_of(response({"error": words} if nested else words, status=418))
    assert (failure.kind, failure.code) == (ERROR_CODES[code].kind, code)
    assert failure.message == f"HTTP 418 {code}: no"


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"error": "no"}', b'{"error": null}', b"[]"])
def test_without_a_code_the_status_decides(body: bytes) -> None:
    assert failure_of(response(body, status=503)).kind == "transient"
    assert failure_of(response(body, status=404)).kind == "permanent"


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_provider_is_polled_over_http_and_its_markets_meet_in_one_event(
    server: WireServer,
) -> None:
    provider = Provider.objects.create(
        key="kalshi",
        adapter="kalshi",
        base_url=f"{server.url}/trade-api/v2",
        sports=["baseball_mlb"],
        markets=["h2h"],
    )
    games, spreads, totals, *_ = [record.response.body for record in read(PAYLOAD)]
    for kind, body in (("h2h", games), ("spreads", spreads), ("totals", totals)):
        Provider.objects.update(markets=[kind])
        server.answers("200 OK", body)
        (run,) = poll_now(provider)
        assert run.outcome == PollOutcome.OK, run.failure_message
    assert server.heads[0].startswith(
        "GET /trade-api/v2/events?series_ticker=KXMLBGAME&status=open"
    )
    assert Feed.objects.count() == 3
    game = Event.objects.get(aliases__external_id="KXMLB-27MAR011910GULOWL")
    assert set(game.markets.values_list("kind", flat=True)) == {"h2h", "spreads", "totals"}
    assert Quote.objects.filter(market__event=game).count() == 4 + 12 + 4


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_sport_that_kalshi_does_not_list_takes_no_other_with_it(server: WireServer) -> None:
    provider = Provider.objects.create(
        key="mine",
        adapter="kalshi",
        base_url=f"{server.url}/trade-api/v2",
        sports=["baseball_mbl", "baseball_mlb"],
        markets=["h2h"],
    )
    games = next(read(PAYLOAD)).response.body
    server.answers("200 OK", games)

    refused, asked = poll_now(provider)

    assert (refused.outcome, refused.failure_code) == (PollOutcome.FAILED, "unsupported_sport")
    assert refused.failure_advice.startswith("Did you mean 'baseball_mlb'?")
    assert asked.outcome == PollOutcome.OK
    assert len(server.heads) == 1
    assert Circuit.objects.get(provider=provider).state == "closed"


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_all_pages_are_asked_for_and_each_has_a_row_of_its_own(server: WireServer) -> None:
    provider = Provider.objects.create(
        key="kalshi",
        adapter="kalshi",
        base_url=server.url,
        sports=["baseball_mlb"],
        markets=["h2h"],
    )
    games = json.loads(next(read(PAYLOAD)).response.body)
    server.answers_in_turn(
        *(
            json.dumps({**games, **page}).encode()
            for page in (
                {"events": games["events"][:1], "cursor": "CgYI"},
                {"events": games["events"][1:], "cursor": ""},
            )
        )
    )
    runs = poll_now(provider)
    assert [run.outcome for run in runs] == [PollOutcome.PAGE, PollOutcome.OK]
    assert "&cursor=CgYI " in server.heads[1]
    assert Event.objects.count() == sum(bool(each["markets"]) for each in games["events"]) == 3
    assert len({run.feed for run in runs}) == Feed.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_feed_whose_last_page_keeps_failing_is_left_out_though_its_first_ones_come(
    server: WireServer,
) -> None:
    provider = Provider.objects.create(
        key="kalshi",
        adapter="kalshi",
        base_url=server.url,
        sports=["baseball_mlb"],
        markets=["h2h"],
    )
    games = json.loads(next(read(PAYLOAD)).response.body)
    whole = json.dumps({**games, "cursor": ""}).encode()
    page = json.dumps({**games, "cursor": "CgYI"}).encode()
    server.answers_in_turn(whole, *[page, b"[]"] * 3)
    poll_now(provider)

    for failures in (1, 2, 3):
        assert [run.outcome for run in poll_now(provider)] == [PollOutcome.PAGE, PollOutcome.FAILED]
        circuit = FeedCircuit.objects.get()
        assert circuit.failures == failures

    assert circuit.state == "open"
    assert set(Quote.objects.values_list("status", flat=True)) == {"quarantined"}
    assert poll_now(provider) == []
