"""Parser of market change messages, without the prices and runners that cannot be read.

A body is decoded strictly and whole, which is fast. Only when that fails is it decoded in parts. An
incomplete ladder shows no better price than the market has, so an image is used without its
unreadable prices. A change with an unreadable price is an `UnsureChange`: that price may be one
that was removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from streaming.core.failures import DataFailure
from streaming.providers.betfair.message import (
    LevelPriceSize,
    MarketChange,
    MarketDefinition,
    Message,
    PriceSize,
    RunnerChange,
    RunnerDefinition,
    UnsureChange,
)
from streaming.providers.fields import (
    check_year,
    decoded,
    has_no_nul,
    loosely,
    misfit,
    unpadded,
    without_nul,
)
from streaming.providers.sieve import Sieve, salvaged

T = TypeVar("T")

_MESSAGES = msgspec.json.Decoder(Message)
_LADDERS: Mapping[str, Any] = MappingProxyType(
    {
        "atb": PriceSize,
        "atl": PriceSize,
        "batb": LevelPriceSize,
        "batl": LevelPriceSize,
        "bdatb": LevelPriceSize,
        "bdatl": LevelPriceSize,
    }
)


def parse(body: bytes, sieve: Sieve) -> list[Message]:
    """Return the messages of a body, one per line, as far as they can be read.

    Args:
        body: the body as received.
        sieve: collects what is left out, and cleans the names.

    Raises:
        DataFailure: the body holds no message or is not JSON, or an essential part of a message
            cannot be read: its market, the market's status, the runner that changes.
    """
    messages = _messages(body, sieve)
    if not messages:
        raise DataFailure("undecodable", "The body holds no message.", "$")
    for number, message in enumerate(messages):
        for change in message.changes:
            if definition := change.market_definition:
                check_year(definition.market_time, f"$[{number}].mc.marketDefinition")
                change.market_definition = _cleaned(definition, sieve)
    return messages


def _messages(body: bytes, sieve: Sieve) -> list[Message]:
    try:
        if has_no_nul(body):
            return decoded(_MESSAGES.decode_lines, body)
    except DataFailure as failure:
        if failure.code != "wrong_schema":
            raise
    lines = [line for line in unpadded(body).split(b"\n") if line.strip()]
    return [_message(line, f"$[{number}]", sieve) for number, line in enumerate(lines)]


def _cleaned(definition: MarketDefinition, sieve: Sieve) -> MarketDefinition:
    """Return the definition with names cleaned by the sieve."""
    runners = [
        runner
        if runner.name is None or runner.name.isprintable()
        else structs.replace(runner, name=sieve.text(runner.name))
        for runner in definition.runners
    ]
    return structs.replace(
        definition,
        runners=runners,
        event_name=sieve.text(definition.event_name or ""),
        name=sieve.text(definition.name or ""),
    )


def _message(line: bytes, place: str, sieve: Sieve) -> Message:
    try:
        value = without_nul(loosely(line))
    except (ValueError, RecursionError) as error:
        raise misfit("undecodable", str(error), place) from None
    fields = value if isinstance(value, dict) else {}
    message = _converted({**fields, "mc": []}, Message, place)
    changes = fields.get("mc")
    message.mc = [
        _change(each, f"{place}.mc[{number}]", sieve)
        for number, each in enumerate(_list_of(changes, f"{place}.mc"))
    ]
    return message


def _change(value: object, place: str, sieve: Sieve) -> MarketChange:
    fields = dict(value) if isinstance(value, dict) else {}
    definition, runners = fields.pop("marketDefinition", None), fields.pop("rc", None)
    change = _converted(fields, MarketChange, place)
    if definition is not None:
        change.market_definition = _definition(definition, f"{place}.marketDefinition", sieve)
    change.rc = [
        _runner(each, f"{place}.rc[{number}]", sieve)
        for number, each in enumerate(_list_of(runners, f"{place}.rc"))
    ]
    return change


def _definition(value: object, place: str, sieve: Sieve) -> MarketDefinition:
    fields = value if isinstance(value, dict) else {}
    runners = fields.get("runners")
    if not isinstance(runners, list):
        return _converted(fields, MarketDefinition, place)  # which raises the failure
    definition = _converted({**fields, "runners": []}, MarketDefinition, place)
    definition.runners = salvaged(runners, RunnerDefinition, {}, sieve, f"{place}.runners")
    return definition


def _runner(value: object, place: str, sieve: Sieve) -> RunnerChange:
    fields = value if isinstance(value, dict) else {}
    own = {name: each for name, each in fields.items() if name not in _LADDERS}
    change, found = _converted(own, UnsureChange, place), Sieve()
    for name, kind in _LADDERS.items():
        prices = fields.get(name, [])
        if isinstance(prices, list):
            setattr(change, name, salvaged(prices, kind, {}, found, f"{place}.{name}"))
        else:
            fault = DataFailure("wrong_schema", "Expected an array.", f"{place}.{name}")
            found.leave_out(fault)
    sieve.take_over(found)
    if found.lost:
        return change
    return RunnerChange(**structs.asdict(change))


def _converted(value: object, kind: type[T], place: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise misfit("wrong_schema", str(error), place) from None


def _list_of(value: object, place: str) -> list[object]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise DataFailure("wrong_schema", "Expected an array.", place)
