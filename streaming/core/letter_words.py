"""Dead letters in words: one sentence says what failed, and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from streaming.core.letters import Kind
from streaming.core.texts import one_line

_MISSING = re.compile(r"missing required field `(\w+)`")
_OTHER_TYPE = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_PLACE = re.compile(r" \(at (.*)\)$", re.DOTALL)
_TYPES = {
    "array": "a list",
    "object": "an object",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "datetime": "a time",
}
"""The words for the names that the decoder gives to types."""

_FAILURES: Mapping[str, str] = {
    Kind.TIME_LIMIT: "ran beyond its time limit",
    Kind.WORKER_LOST: "its process was killed",
    Kind.UNKNOWN_TASK: "no worker knows this task",
    Kind.UNDECODABLE: "could not be read: {said}",
    Kind.REJECTED: "rejected: {said}",
    Kind.RESULT: "its result could not be stored: {raised}",
    Kind.HOOK: "failed around the task: {raised}",
    Kind.DELIVERY: "notifications were not delivered: {said}",
}
"""The failures by kind; of other kinds, what was raised is said."""


def letter_sentence(
    kind: str, task: str, exception: str, message: str, about: tuple[str, str] = ("", "")
) -> str:
    """Return what failed, in one sentence without a full stop.

    Args:
        kind: the letter's kind.
        task: the task that failed; empty when no one knows.
        exception: the exception's class, dotted.
        message: what the exception said.
        about: a provider and its feed; a subscriber and nothing for a delivery.

    >>> lacking = "Object missing required field `commence_time`. (at $[0])"
    >>> feed = "/v4/sports/soccer_epl/odds?markets=h2h"
    >>> letter_sentence("payload", "", "", lacking, ("simulator", feed))
    'soccer_epl from simulator: answer lacks commence_time'
    >>> letter_sentence("exception", "valuation.recompute_markets", "builtins.KeyError", "'x'")
    "valuation.recompute_markets: KeyError: 'x'"
    >>> letter_sentence("time_limit", "streaming.prune", "", "")
    'streaming.prune: ran beyond its time limit'
    """
    subject = _subject(*about) or task or "a message"
    words = one_line(_failure(kind, task, exception, message))
    return f"{subject}: {words}" if words else subject


def feed_name(feed: str) -> str:
    """Return what a feed is about: its sport or series, else its path.

    >>> feed_name("/v4/sports/soccer_epl/odds?markets=h2h"), feed_name("/events?series_ticker=NBA")
    ('soccer_epl', 'NBA')
    >>> feed_name("/v4/sports/soccer_epl/events/e1/odds?markets=totals")
    'soccer_epl event e1'
    >>> feed_name("1.234567.bz2")
    '1.234567.bz2'
    """
    parts = urlsplit(feed)
    if series := parse_qs(parts.query).get("series_ticker"):
        return series[0]
    _, found, rest = parts.path.partition("/sports/")
    if not found:
        return parts.path
    sport, *others = rest.split("/")
    is_of_event = len(others) > 1 and others[0] == "events"
    return f"{sport} event {others[1]}" if is_of_event else sport


def answer_words(message: str) -> str:
    """Return what is wrong with an answer, for a person who has not seen the decoder's words.

    >>> answer_words("Input data was truncated. (at $)")
    'answer is cut off'
    >>> answer_words("Expected `float`, got `str`. (at $[0].bookmakers[0].price)")
    'price is text, not a number'
    >>> answer_words("Expected `array`, got `object`. (at $)")
    'answer is an object, not a list'
    >>> answer_words("A team plays itself. (at $[3].away_team)")
    'A team plays itself (away_team)'
    """
    place = _PLACE.search(message)
    text = message[: place.start()] if place else message
    field = re.sub(r"\[\d*\]", "", place[1]).rpartition(".")[2] if place else ""
    field = "answer" if field in {"", "$", "body"} else field
    if found := _MISSING.search(text):
        return f"answer lacks {found[1]}"
    if found := _OTHER_TYPE.search(text):
        expected, got = (_TYPES.get(each, each) for each in found.groups())
        return f"{field} is {got}, not {expected}"
    if "truncated" in text:
        return "answer is cut off"
    words = text.strip().removesuffix(".")
    return words if field == "answer" else f"{words} ({field})"


def period(first: datetime, last: datetime, now: datetime) -> str:
    """Return when something happened, to the second; without the date if that is today's.

    >>> noon = datetime(2026, 3, 1, 12)
    >>> period(noon, noon.replace(second=25), noon.replace(hour=13))
    '12:00:00–12:00:25'
    >>> period(noon, noon, noon.replace(day=2))
    '2026-03-01 12:00:00'
    >>> period(noon, noon.replace(day=2), noon.replace(day=2))
    '2026-03-01 12:00:00–2026-03-02 12:00:00'
    """
    start = f"{first:%H:%M:%S}" if first.date() == now.date() else f"{first:%Y-%m-%d %H:%M:%S}"
    if first == last:
        return start
    is_same_day = first.date() == last.date()
    return f"{start}–{last:%H:%M:%S}" if is_same_day else f"{start}–{last:%Y-%m-%d %H:%M:%S}"


def _subject(name: str, feed: str) -> str:
    if not name or not feed:
        return name
    return f"{feed_name(feed)} from {name}"


def _failure(kind: str, task: str, exception: str, message: str) -> str:
    """Return how the work failed."""
    if kind == Kind.PAYLOAD:
        return answer_words(message)
    error = exception.rpartition(".")[2]
    raised = f"{error}: {message}" if error and message else error or message
    words = _FAILURES.get(kind, "{raised}")
    if kind == Kind.HOOK and not task:
        words = "failed: {raised}"
    return words.format(raised=raised, said=message or error)
