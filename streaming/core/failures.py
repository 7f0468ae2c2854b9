"""Failures of a provider, graded by what has to happen next.

| kind | examples | what follows |
| --- | --- | --- |
| transient | timeout, reset, 5xx, 429 | counts towards the circuit; the next poll may succeed |
| permanent | key rejected, quota used up, unknown sport | the circuit opens; a person acts |
| data | undecodable, wrong schema, too large | counts as well; the payload is dead-lettered |

A failure has a scope. A key, a quota or a server that is down concern the whole provider; a sport
that it does not know and an answer that cannot be read concern the one feed that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from types import MappingProxyType
from typing import ClassVar, Literal

from streaming.core.texts import one_line

FailureKind = Literal["transient", "permanent", "data"]
Scope = Literal["provider", "feed"]
"""The part of a provider that a failure concerns."""

MAX_RETRY_AFTER_SECONDS = 86_400.0
NOT_MODIFIED = 304


class ProviderFailure(Exception):  # noqa: N818 - graded outcomes of a poll, not bugs of ours
    """A poll that brought no snapshot. Raised only as one of its three kinds.

    Every argument is kept in `args`, so that a failure survives pickling between processes.

    Attributes:
        kind: what has to happen next; see the module.
        code: a slug that groups equal failures, e.g. ``timeout``.
        message: one line for a person; never holds a key.
        scope: what it concerns.
    """

    kind: ClassVar[FailureKind]
    scope: Scope = "provider"

    def __init__(self, code: str, message: str, *details: object) -> None:
        super().__init__(code, message, *details)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class TransientFailure(ProviderFailure):
    """Failure of a request that may well succeed later.

    Attributes:
        retry_after_seconds: the earliest the provider wants to be asked again, if it said so.
    """

    kind = "transient"

    def __init__(self, code: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(code, message, retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class PermanentFailure(ProviderFailure):
    """Failure of a request that, as far as is known, fails until a person changes something.

    Attributes:
        advice: what that person can do.
        until: when it ends by itself, as a used-up quota does; None when never.
        scope: what it concerns.
        needs_person: False for a refusal without a known error code: a gateway's page may be gone
            within a minute, so it is asked again soon.
    """

    kind = "permanent"

    def __init__(
        self,
        code: str,
        message: str,
        advice: str,
        until: datetime | None = None,
        scope: Scope = "provider",
        *,
        needs_person: bool = True,
    ) -> None:
        super().__init__(code, message, advice, until, scope, needs_person)
        self.advice = advice
        self.until = until
        self.scope = scope
        self.needs_person = needs_person

    def __reduce__(self) -> tuple[object, ...]:
        """Restore the keyword argument too."""
        fields = (self.code, self.message, self.advice, self.until, self.scope)
        return partial(type(self), needs_person=self.needs_person), fields

    @property
    def remedy(self) -> str:
        """The whole advice: where the next probe is far off, a reset brings it forward.

        >>> PermanentFailure("key_missing", "No key.", "Set the key.").remedy
        'Set the key. Then reset the circuit.'
        """
        if self.until or not self.needs_person:
            return self.advice
        return f"{self.advice} Then reset the circuit."


class DataFailure(ProviderFailure):
    """Failure of an answer whose content cannot be trusted.

    Attributes:
        where: the place in the answer, e.g. ``$[3].bookmakers[0].markets[1].key``, or in a file.
    """

    kind = "data"
    scope = "feed"

    def __init__(self, code: str, message: str, where: str) -> None:
        super().__init__(code, message, where)
        self.where = where

    def within(self, place: str) -> DataFailure:
        """Return the same failure, with the enclosing place before its own.

        >>> DataFailure("bad_price", "0 is not American odds.", "price").within("outcomes[1]").where
        'outcomes[1].price'
        """
        return DataFailure(self.code, self.message, f"{place}.{self.where}")

    def __str__(self) -> str:
        return f"{self.message} (at {self.where})"


@dataclass(frozen=True, slots=True)
class ErrorMeaning:
    """The meaning of a provider's own error code.

    Attributes:
        kind: the kind of the failure.
        advice: what a person can do about it; only a permanent failure has one.
        scope: what a permanent failure concerns.
    """

    kind: Literal["transient", "permanent"]
    advice: str = ""
    scope: Scope = "provider"


def _permanent(code: str, advice: str) -> tuple[str, ErrorMeaning]:
    return code, ErrorMeaning("permanent", advice)


_BY_STATUS: Mapping[int, tuple[str, ErrorMeaning]] = MappingProxyType(
    {
        401: _permanent("key_rejected", "Check the provider's key and its subscription."),
        402: _permanent("payment_required", "Check the provider's subscription."),
        403: _permanent("forbidden", "Check that the key's plan covers this request."),
        404: _permanent("not_found", "Check the provider's base URL, sports and markets."),
        408: ("timeout", ErrorMeaning("transient")),
        425: ("too_early", ErrorMeaning("transient")),
        429: ("rate_limited", ErrorMeaning("transient")),
    }
)
_BY_CLASS: Mapping[int, tuple[str, ErrorMeaning]] = MappingProxyType(
    {
        3: _permanent("redirected", "Set the provider's base URL to where it has moved."),
        4: _permanent("refused", "Check the provider's settings: it refuses this request."),
        5: ("server_error", ErrorMeaning("transient")),
    }
)


def classify_status(
    status: int,
    *,
    error_code: str | None = None,
    detail: str = "",
    retry_after_seconds: float | None = None,
    meanings: Mapping[str, ErrorMeaning] = MappingProxyType({}),
) -> ProviderFailure:
    """Return the failure that an answer other than 200 stands for.

    A provider's error code says more than its status (one answers 401 both for a bad key and for
    a used-up quota), so a known code decides and the status decides only without one. A refusal
    without a known code may come from a gateway in front of one path, so it concerns the feed.

    Args:
        status: HTTP status.
        error_code: the provider's own code, as its body states it.
        detail: the provider's own words; shortened to one line.
        retry_after_seconds: see `retry_after_seconds`.
        meanings: the provider's error codes.

    >>> gone = {"OUT_OF_CREDITS": ErrorMeaning("permanent", "Buy more.")}
    >>> classify_status(401, error_code="OUT_OF_CREDITS", meanings=gone).message
    'HTTP 401 OUT_OF_CREDITS'
    >>> classify_status(503, retry_after_seconds=2.0)
    TransientFailure('server_error', 'HTTP 503', 2.0)
    >>> classify_status(204).kind
    'data'
    """
    known = meanings.get(error_code) if error_code else None
    if error_code and known:
        slug, meaning = error_code.lower(), known
        message = f"HTTP {status} {error_code}"
    elif status == NOT_MODIFIED:
        # No request is conditional, so the answer comes from a broken cache on the way.
        return DataFailure("not_modified", "HTTP 304 without a conditional request", "status")
    else:
        found = _BY_STATUS.get(status) or _BY_CLASS.get(status // 100)
        if found is None:
            return DataFailure("unexpected_status", f"HTTP {status}", "status")
        slug, meaning = found
        message = f"HTTP {status}"
    if words := one_line(detail):
        message = f"{message}: {words}"
    if meaning.kind == "transient":
        return TransientFailure(slug, message, retry_after_seconds)
    scope = meaning.scope if known else "feed"
    return PermanentFailure(slug, message, meaning.advice, scope=scope, needs_person=bool(known))


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Return the wait a Retry-After header asks for: delay-seconds or an HTTP date.

    Args:
        value: the header as received; None when there was none.
        now: when the answer arrived, aware.

    Returns:
        Seconds from `now`, between 0 and one day; None when the header says nothing usable.
    Source: RFC 9110, section 10.2.3.

    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> retry_after_seconds("7", noon)
    7.0
    >>> retry_after_seconds("Thu, 01 Jan 2026 12:00:30 GMT", noon)
    30.0
    """
    text = (value or "").strip()
    if text.isdecimal():
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
