"""Historical answers of The Odds API: an earlier live answer in a wrapper with its timestamp.

https://the-odds-api.com/liveapi/guides/v4/#get-historical-odds. They are recorded and replayed;
nothing polls them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import msgspec

from streaming.providers.base import Request, Response
from streaming.providers.fields import Moment, check_year, decoded, unpadded

THE_ODDS_API = "the_odds_api"
"""The adapter that decodes the historical answers."""

_HISTORICAL, _LIVE = "/v4/historical/sports/", "/v4/sports/"
_MARK = b'"timestamp"'


class _Wrapper(msgspec.Struct):
    """``{"timestamp", "previous_timestamp", "next_timestamp", "data"}``."""

    timestamp: Moment
    data: msgspec.Raw


_WRAPPERS = msgspec.json.Decoder(_Wrapper)


def as_live(request: Request, response: Response) -> tuple[Request, Response]:
    """Return the live request and the live answer that a historical exchange contains.

    The live answer counts as received at the wrapper's `timestamp`, when it was true. Any other
    exchange is returned unchanged.

    Raises:
        DataFailure: the request is historical and its answer has no wrapper, or the `timestamp`
            is out of bounds.
    """
    is_historical = request.path.startswith(_HISTORICAL)
    if is_historical:
        path = f"{_LIVE}{request.path.removeprefix(_HISTORICAL)}"
        request = replace(request, path=path)
    if response.status != 200 or not (is_historical or _is_wrapped(response.body)):
        return request, response
    wrapper = decoded(_WRAPPERS.decode, response.body)
    check_year(wrapper.timestamp, "timestamp")
    response = replace(
        response, body=bytes(wrapper.data), received_at=wrapper.timestamp.astimezone(UTC)
    )
    return (
        replace(request, recorded=None if request.recorded is None else response),
        response,
    )


def _is_wrapped(body: bytes) -> bool:
    """Return True if an answer has the wrapper; a proxy may send one for a live path."""
    body = unpadded(body)
    if not body.lstrip().startswith(b"{") or _MARK not in body:
        return False
    try:
        _WRAPPERS.decode(body)
    except (ValueError, RecursionError):
        return False
    return True
