"""Subscribers inside the process: functions that are called with notifications.

A handler lives in the module `subscribers` of any installed app, which is found by its name:

    @subscriber("edge.opened", min_ev=0.05)
    def log_good_edges(notifications: Sequence[Notification]) -> None:
        ...

It runs in the worker that delivers, in a thread of its own with a deadline. If it raises, the
delivery has failed, and is counted and replayed like a webhook's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from streaming.core.notifications import TYPES, Notification
from streaming.core.routing import Filter, Route
from streaming.core.texts import did_you_mean

Handle = Callable[[Sequence[Notification]], None]


@dataclass(frozen=True, slots=True)
class Handler:
    """A registered function.

    Attributes:
        route: the handler's key and the notifications that it subscribes to.
        handle: the function.
    """

    route: Route
    handle: Handle


_handlers: dict[str, Handler] = {}


def subscriber(
    *types: str, name: str = "", sports: Iterable[str] = (), min_ev: float | None = None
) -> Callable[[Handle], Handle]:
    """Register a function as a subscriber, under ``handler:<name>``.

    Args:
        types: types of notifications; none for all.
        name: by default the function's own; a name that is already registered is refused.
        sports: keys of sports; none for all.
        min_ev: the least expected value of an edge.

    Raises:
        ValueError: a type that does not exist, or a name that is taken.
    """
    for each in types:
        if each not in TYPES:
            raise ValueError(f"no notification is a {each!r}{did_you_mean(each, TYPES)}")

    def register(handle: Handle) -> Handle:
        key = f"handler:{name or handle.__name__}"
        if key in _handlers:
            raise ValueError(f"there is a {key} already")
        route = Route(key, Filter(frozenset(types), frozenset(sports), min_ev))
        _handlers[key] = Handler(route, handle)
        return handle

    return register


def find_handler(key: str) -> Handler | None:
    """Return the handler of that key; None if this process does not have it."""
    return _handlers.get(key)


def handler_routes() -> list[Route]:
    """Return every handler's route."""
    return [handler.route for handler in _handlers.values()]
