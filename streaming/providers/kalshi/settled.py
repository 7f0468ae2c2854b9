"""Answers of Kalshi to ``GET /markets?status=settled``: what its contracts have paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from streaming.core.failures import DataFailure
from streaming.core.texts import one_line
from streaming.providers.fields import Description, ExternalId, Number, decoded, parse_json
from streaming.providers.kalshi.contracts import (
    MICRO,
    Contract,
    Dollars,
    micro,
    moneyline,
    outright,
    spread,
    total,
)
from streaming.providers.kalshi.tickers import OUTRIGHTS, SERIES, parse_game
from streaming.providers.outcomes import DRAW, fixed_name
from streaming.providers.sieve import Sieve

OPPONENT = ""
"""The name of the team that a contract on a handicap does not name."""

_SETTLED = {"finalized", "settled"}
_VOID = "void"


@dataclass(frozen=True, slots=True)
class SettledContract:
    """A contract that has paid.

    Attributes:
        external_id: Kalshi's id of the event, as the adapter has it.
        sport_key: the sport.
        contract: the bets of YES and NO; teams are named as Kalshi names them.
        value: what YES paid of a dollar; None where the contract is void.
    """

    external_id: str
    sport_key: str
    contract: Contract
    value: float | None


class _Market(msgspec.Struct):
    ticker: ExternalId
    event_ticker: ExternalId
    status: Description
    result: Description = ""
    yes_sub_title: Description = ""
    floor_strike: Number | None = None
    settlement_value_dollars: Dollars | None = None
    settlement_value: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None


class _Answer(msgspec.Struct):
    markets: list[msgspec.Raw]


_ANSWER = msgspec.json.Decoder(_Answer)
_MARKET = msgspec.json.Decoder(_Market)


def read_settled(body: bytes, sieve: Sieve) -> list[SettledContract]:
    """Return the contracts of an answer that have paid and are about events that are known here.

    Args:
        body: the answer.
        sieve: collects what cannot be read.

    Raises:
        DataFailure: the answer is not JSON, or lists no markets.
    """
    found = []
    for number, raw in enumerate(decoded(_ANSWER.decode, body).markets):
        try:
            contract = _settled(parse_json(_MARKET, bytes(raw)))
        except DataFailure as fault:
            sieve.leave_out(fault.within(f"$.markets[{number}]"))
            continue
        sieve.read += 1
        if contract is not None:
            found.append(contract)
    return found


def _settled(market: _Market) -> SettledContract | None:
    series = SERIES.get(market.event_ticker.partition("-")[0])
    if series is None or market.status not in _SETTLED:
        return None
    if series.kind == OUTRIGHTS:
        external_id = market.event_ticker
    else:
        external_id = parse_game(market.event_ticker, series.league).external_id
    contract = _contract(series.kind, market)
    return SettledContract(external_id, series.league.sport, contract, _value(market))


def _contract(kind: str, market: _Market) -> Contract:
    name, strike = market.yes_sub_title, market.floor_strike
    if kind == "totals" and strike is not None:
        return total(strike)
    if kind == "spreads" and strike is not None:
        team, found, _ = name.partition(" wins by ")
        if found and team:
            # Which side is at home is the event's to say; the line is not used.
            return spread(team, OPPONENT, strike, is_home=True)
    if kind in {"h2h", OUTRIGHTS} and name:
        is_draw = kind == "h2h" and fixed_name("h2h", name) == DRAW
        return moneyline(DRAW if is_draw else name) if kind == "h2h" else outright(name)
    raise DataFailure("no_name", "Nothing says what the contract is about.", "yes_sub_title")


def _value(market: _Market) -> float | None:
    """Return what YES paid; the stated value counts before the result, which has two words only."""
    value = None
    if market.settlement_value_dollars is not None:
        value = micro(market.settlement_value_dollars) / MICRO
    elif market.settlement_value is not None:
        value = market.settlement_value / 100
    by_result = {"yes": 1.0, "no": 0.0}.get(market.result)
    if value is None and by_result is None and market.result != _VOID:
        words = f"A contract with the result {one_line(market.result)!r} does not say what it paid."
        raise DataFailure("no_value", words, "settlement_value_dollars")
    if value is not None and (value > 1 or by_result not in {None, value}):
        words = f"{one_line(market.result)!r} does not pay {value:g} dollars."
        raise DataFailure("contradiction", words, "settlement_value_dollars")
    return by_result if value is None else value
