"""The recorder of the simulated market: the same arguments give the same answers."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

import msgspec

from streaming.simulator.catalogue import ALTERNATE_MARKETS, BOOKMAKERS
from streaming.simulator.event import SimulatedEvent
from streaming.simulator.market import Market
from streaming.simulator.odds_api import OddsApi
from streaming.simulator.policy import MarketPolicy

POLICY = MarketPolicy(
    events_per_sport=4,
    lead_seconds=(20.0, 90.0),
    duration_seconds=(40.0, 80.0),
    suspend_rate=0.5,
)
"""A board small and short-lived enough for a few answers to show all that can happen."""

_START = datetime(2026, 1, 1, 18, 0, tzinfo=UTC)
_INTERVAL = timedelta(seconds=3)
_KEY = "recorder"


def record(path: Path, responses: int, sports: Sequence[str] = (), seed: int = 1) -> None:
    """Write a gzipped recording of `responses` answers.

    Every round asks for each sport's list, and then for the alternate lines and player totals of
    one event of the first sport.

    Raises:
        ValueError: an unknown sport.
    """
    lines = islice(_lines(Market(_START, seed, sports, POLICY)), responses)
    # No name and no time in the header: the file depends on its contents alone.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        file.writelines(line + b"\n" for line in lines)


def _lines(market: Market) -> Iterator[bytes]:
    api = OddsApi(market, _KEY)
    clock = (_START + turn * _INTERVAL for turn in count())
    detailed = market.sports[0]
    details = ",".join((*ALTERNATE_MARKETS, detailed.prop)).rstrip(",")
    event_id = ""
    while True:
        for sport in market.sports:
            yield _line(api, f"/v4/sports/{sport.key}/odds", "h2h,spreads,totals", next(clock))
        now = next(clock)
        event_id = _followed(market.board(detailed.key, now).events(), event_id)
        yield _line(api, f"/v4/sports/{detailed.key}/events/{event_id}/odds", details, now)


def _followed(events: Sequence[SimulatedEvent], event_id: str) -> str:
    """Return the id of the event followed; once it has ended, that of the last to start."""
    open_ids = [event.id for event in events]
    return event_id if event_id in open_ids else open_ids[-1]


def _line(api: OddsApi, path: str, markets: str, now: datetime) -> bytes:
    params = {
        "regions": ",".join(sorted({book.region for book in BOOKMAKERS})),
        "markets": markets,
        "oddsFormat": "decimal",
        "dateFormat": "iso",
    }
    answer = api.answer(path, {**params, "apiKey": _KEY}, now)
    line = {
        "received_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "provider": "the_odds_api",
        "request": {"method": "GET", "path": path, "params": params},
        "status": answer.status,
        "headers": {"content-type": "application/json", **answer.headers},
        "body": msgspec.Raw(answer.body),
    }
    return msgspec.json.encode(line)
