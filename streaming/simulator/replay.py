"""A recording served as if it were live, at any multiple of its speed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from streaming.providers.recording.adapter import Record
from streaming.simulator.query import (
    NOT_FOUND,
    UNKNOWN_SPORT,
    Answer,
    ApiError,
    check_key,
)

_KEPT_HEADERS = ("x-requests-remaining", "x-requests-used", "x-requests-last")


class Replay:
    """The source that answers a path with the newest answer whose recorded time has come.

    The first answer of a path is served at once, the last one forever. Of the parameters only
    `oddsFormat` is compared: a request for another format is refused, so no price is misread.

    Args:
        records: the recording, in any order.
        api_key: the one key that is valid.
        speed: recorded seconds per second.
        start: when the replay begins.

    Raises:
        ValueError: an empty recording, or a speed that is not above 0.
    """

    def __init__(
        self, records: Iterable[Record], api_key: str, speed: float, start: datetime
    ) -> None:
        ordered = sorted(records, key=attrgetter("received_at"))
        if not ordered or speed <= 0:
            raise ValueError("a replay needs at least one recorded answer and a speed above 0")
        self._begin = ordered[0].received_at
        self._by_path: dict[str, list[Record]] = {}
        for record in ordered:
            self._by_path.setdefault(record.request.path, []).append(record)
        self._api_key = api_key
        self._speed = speed
        self._start = start

    def answer(self, path: str, params: Mapping[str, str], now: datetime) -> Answer:
        """Answer the request for `path` at `now`; a refusal is an answer too."""
        try:
            check_key(params, self._api_key)
            return self._route(path, params, now)
        except ApiError as error:
            return error.answer({})

    def _route(self, path: str, params: Mapping[str, str], now: datetime) -> Answer:
        if path in self._by_path:
            return _answer(self._due(path, now), params)
        match path.strip("/").split("/"):
            case ["v4", "sports"]:
                return Answer(200, msgspec.json.encode(self._sports()), {})
            case ["v4", "sports", sport, "events"]:
                return Answer(200, msgspec.json.encode(self._events(sport, now)), {})
            case ["v4", "sports", *_]:
                raise UNKNOWN_SPORT
        raise NOT_FOUND

    def _due(self, path: str, now: datetime) -> Record:
        records = self._by_path[path]
        recorded_now = self._begin + (now - self._start) * self._speed
        index = bisect_right(records, recorded_now, key=attrgetter("received_at"))
        return records[max(0, index - 1)]

    def _sports(self) -> list[dict[str, Any]]:
        keys = dict.fromkeys(path.split("/")[3] for path in self._by_path)
        return [
            {
                "key": key,
                "group": key.partition("_")[0].title(),
                "title": key,
                "description": "Recorded",
                "active": True,
                "has_outrights": False,
            }
            for key in keys
        ]

    def _events(self, sport: str, now: datetime) -> list[dict[str, Any]]:
        """Return the events of a sport's newest answers, without their odds."""
        events: dict[str, dict[str, Any]] = {}
        for path in self._by_path:
            if path.startswith(f"/v4/sports/{sport}/"):
                answer: Any = msgspec.json.decode(self._due(path, now).response.body)
                for event in answer if isinstance(answer, list) else [answer]:
                    events[event["id"]] = {k: v for k, v in event.items() if k != "bookmakers"}
        if not events:
            raise UNKNOWN_SPORT
        return list(events.values())


def _answer(record: Record, params: Mapping[str, str]) -> Answer:
    recorded = record.request.params.get("oddsFormat", "decimal")
    if params.get("oddsFormat", "decimal") != recorded:
        raise ApiError(
            422, "INVALID_ODDS_FORMAT", f"Invalid oddsFormat: the recording is {recorded}"
        )
    response = record.response
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return Answer(response.status, response.body, headers)
