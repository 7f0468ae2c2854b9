"""One record that cannot be read costs itself: the rest of its answer stays on the board."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from django.test import Client

from betting.db.clock import database_now
from betting.models import Event, EventStatus, Provider, Quote, QuoteStatus
from streaming.core.failures import DataFailure
from streaming.dead_letters.payloads import Payload
from streaming.health.stream import Unread, look_at_stream
from streaming.models import Circuit, DeadLetter, FeedCircuit, PollOutcome, PollRun
from streaming.polling.feed_circuits import FeedCircuits
from streaming.polling.replay_answer import ingest_payload
from streaming.polling.request import PollSession, make_request
from streaming.providers.base import Request, Response
from streaming.providers.registry import adapter
from tests.support.polling import config_with
from tests.support.rows import make_poll_run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

CONFIG = config_with()
PATH = "/v4/sports/baseball_mlb/odds"
BOOKS, EVENTS = 4, 5


def good(start: str = "2027-12-01T20:00:00Z") -> list[dict[str, Any]]:
    """Five games at four bookmakers: 40 quotes."""
    return [
        {
            "id": f"g{number}",
            "sport_key": "baseball_mlb",
            "sport_title": "MLB",
            "commence_time": start,
            "home_team": f"Home{number}",
            "away_team": f"Away{number}",
            "bookmakers": [
                {
                    "key": f"k{book}",
                    "title": f"K{book}",
                    "markets": [
                        {
                            "key": "h2h",
                            "outcomes": [
                                {"name": f"Home{number}", "price": 1.9},
                                {"name": f"Away{number}", "price": 2.0},
                            ],
                        }
                    ],
                }
                for book in range(BOOKS)
            ],
        }
        for number in range(EVENTS)
    ]


def spread(name: str, **outcome: Any) -> dict[str, Any]:
    return {"key": "spreads", "outcomes": [{"name": name, "price": 1.9, **outcome}]}


def price_null() -> list[dict[str, Any]]:
    answer = good()
    answer[0]["bookmakers"][0]["markets"][0]["outcomes"][0]["price"] = None
    return answer


def point_null() -> list[dict[str, Any]]:
    answer = good()
    answer[0]["bookmakers"][0]["markets"].append(spread("Home0", point=None))
    return answer


def team_spelt_otherwise() -> list[dict[str, Any]]:
    answer = good()
    answer[0]["bookmakers"][0]["markets"].append(spread("Home Zero", point=-1.5))
    return answer


def event_twice() -> list[dict[str, Any]]:
    answer = good()
    return [*answer, copy.deepcopy(answer[1])]


@pytest.fixture
def provider() -> Provider:
    return Provider.objects.create(
        key="mine",
        adapter="the_odds_api",
        base_url="https://api.example",
        sports=["baseball_mlb"],
        markets=["h2h"],
        stale_after_seconds=86_400.0,
    )


def answered(provider: Provider, answer: Any) -> PollRun:
    """Let the provider answer, and return the row about it."""
    body = json.dumps(answer).encode()
    response = Response(200, {}, body, datetime.now(UTC), 5.0, len(body))
    source = adapter(provider.adapter)
    feeds = FeedCircuits(provider, CONFIG)
    session = PollSession(provider, source, source.decoder(), lambda _: response, feeds)
    request = Request("the_odds_api", provider.base_url, PATH, {"markets": "h2h"})
    result = make_request(session, request, CONFIG, database_now)
    assert result is not None, "the circuit has opened"
    return result.run


def active() -> int:
    return Quote.objects.filter(status=QuoteStatus.ACTIVE).count()


@pytest.mark.parametrize(
    ("bad", "reason", "place", "left"),
    [
        (price_null, "wrong_schema", "$[0].bookmakers[0].markets[0].outcomes[0].price", 39),
        (point_null, "no_point", "$[0].bookmakers[0].markets[1].outcomes[0].point", 40),
        (
            team_spelt_otherwise,
            "unknown_team",
            "$[0].bookmakers[0].markets[1].outcomes[0].name",
            40,
        ),
        (event_twice, "repeated_event", "$[5].id", 40),
    ],
)
def test_one_bad_record_three_times_in_a_row_takes_nothing_else_off_the_board(
    provider: Provider, bad: Any, reason: str, place: str, left: int
) -> None:
    answered(provider, good())
    assert active() == 40
    for _ in range(3):
        run = answered(provider, bad())
        assert (run.outcome, run.left_out) == (PollOutcome.OK, 1)
        (told,) = run.left_out_reasons
        assert (told["reason"], told["count"], told["place"]) == (reason, 1, place)
    assert active() == left
    circuit = Circuit.objects.get()
    assert (circuit.state, circuit.failures) == ("closed", 0)
    letter = DeadLetter.objects.get()
    assert (letter.provider, letter.count) == ("mine", 1)
    assert place in letter.message


def test_a_feed_is_degraded_until_its_newest_answer_is_read_whole(provider: Provider) -> None:
    answered(provider, good())
    assert look_at_stream().unread == []
    run = answered(provider, price_null())
    assert look_at_stream().unread == [Unread("mine", run.feed, 1, "wrong_schema")]
    answered(provider, good())
    assert look_at_stream().unread == []


def test_the_pages_of_the_next_answer_do_not_end_a_feeds_degradation(provider: Provider) -> None:
    run = answered(provider, price_null())
    degraded = look_at_stream().unread
    make_poll_run(provider, feed=run.feed, outcome=PollOutcome.PAGE, http_status=200)
    assert look_at_stream().unread == degraded != []


def test_an_answer_that_is_mostly_unreadable_fails_and_three_open_its_feed_s_circuit(
    provider: Provider,
) -> None:
    answered(provider, good())
    renamed = good()
    for event in renamed[1:]:
        for book in event["bookmakers"]:
            book["markets"][0]["outcomes"] = [{"name": "Home1", "odds": 1.9}] * 2
    for _ in range(3):
        run = answered(provider, renamed)
        assert (run.outcome, run.failure_code) == (PollOutcome.FAILED, "wrong_schema")
        assert "80 % of the answer cannot be read" in run.failure_message
    assert FeedCircuit.objects.get().state == "open"


@pytest.mark.parametrize("body", [{"message": "hello"}, "text", 7, None])
def test_an_answer_that_is_no_list_fails_as_a_whole(provider: Provider, body: Any) -> None:
    assert answered(provider, body).failure_code == "wrong_schema"


@pytest.mark.parametrize(("spoil", "ended"), [({"commence_time": 5}, 0), (None, 1)])
def test_a_started_event_that_cannot_be_read_is_not_taken_as_ended(
    provider: Provider, spoil: Any, ended: int
) -> None:
    start = f"{datetime.now(UTC) - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    answered(provider, good(start))
    rest = good(start)
    answer = rest[:4] if spoil is None else [*rest[:4], {**rest[4], **spoil}]
    answered(provider, answer)
    assert Event.objects.filter(status=EventStatus.ENDED).count() == ended
    assert active() == 32, "nobody vouches for the prices of the fifth any more"


def test_a_replay_of_a_sample_fails_until_its_record_can_be_read(provider: Provider) -> None:
    answered(provider, price_null())
    payload = msgspec.convert(DeadLetter.objects.get().kwargs, Payload)
    with pytest.raises(DataFailure) as caught:
        ingest_payload(payload, CONFIG)
    assert caught.value.code == "wrong_schema"


def test_the_api_and_the_admin_show_what_was_left_out(
    provider: Provider, admin_client: Client
) -> None:
    run = answered(provider, price_null())
    (told,) = admin_client.get("/api/v1/poll-runs/").json()["results"]
    assert told["left_out"] == 1
    assert told["left_out_reasons"] == run.left_out_reasons
    page = admin_client.get("/admin/streaming/pollrun/").content.decode()
    assert "1 wrong_schema" in page
