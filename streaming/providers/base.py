"""Settings, requests, answers and the adapter protocol that all providers share."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable
from urllib.parse import urlencode

from betting.config.secret_files import SUFFIX, secret_text
from streaming.core.failures import PermanentFailure
from streaming.core.key_variables import key_variable_advice, may_hold_key
from streaming.core.results import Reported
from streaming.core.snapshot import LeftOut, Snapshot

OddsFormat = Literal["decimal", "american"]

LISTED_BY = ("markets", "series_ticker")
"""The query parameters that, together with the path, determine what an answer lists."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The polling settings of a provider row.

    Attributes:
        key: the provider's own key, e.g. ``the_odds_api_us``; several may share one adapter.
        adapter: the registered adapter that speaks its protocol.
        base_url: scheme, host and optional prefix; for a recording, its path.
        sports: sport keys to poll.
        markets: market keys requested with the list of a sport's events.
        event_markets: market keys requested per event (player props, alternate lines, periods).
        regions: bookmaker regions; a provider ignores them where `bookmakers` are named.
        bookmakers: bookmaker keys to ask for by name.
        odds_format: the format asked for; an adapter always returns decimal odds.
        api_key_env: the environment variable that holds the key; empty when none is needed.
        open_events: sport key → this provider's ids of the events still open, as earlier polls
            listed them; `event_markets` are requested for these.
    """

    key: str
    adapter: str
    base_url: str
    sports: Sequence[str] = ()
    markets: Sequence[str] = ()
    event_markets: Sequence[str] = ()
    regions: Sequence[str] = ()
    bookmakers: Sequence[str] = ()
    odds_format: OddsFormat = "decimal"
    api_key_env: str = ""
    open_events: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer as received.

    Attributes:
        status: HTTP status.
        headers: names in lower case.
        body: decompressed.
        received_at: when the answer's headers arrived, UTC. A body that arrives slowly after them
            is no fresher.
        duration_ms: from the start of the request to the last byte of the body.
        wire_bytes: size of the body as transferred.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime
    duration_ms: float
    wire_bytes: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a provider, without the key.

    Attributes:
        adapter: the registered adapter that decodes the answer.
        base_url: as in `ProviderSettings`.
        path: begins with a slash; percent-encoded.
        params: query parameters.
        recorded: the recorded answer, for a request read from a recording; used instead of
            sending the request.
        method: HTTP method.
        follows_gap: whether a recording has lost lines between this answer and the previous one to
            the same request; state built from the previous one is then unknown.
        refusal: why the request must not be sent; its feed fails with this, other feeds do not.
    """

    adapter: str
    base_url: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    recorded: Response | None = field(default=None, repr=False)
    method: str = "GET"
    follows_gap: bool = False
    refusal: PermanentFailure | None = field(default=None, repr=False)

    @property
    def feed(self) -> str:
        """The request's identity: its path and `LISTED_BY`, independent of the order of markets.

        Regions, bookmakers and formats are left out on purpose: after they change, the next answer
        still belongs to the same feed, and what it no longer lists is withdrawn.

        >>> Request("x", "https://a.example", "/odds", {"markets": "totals,h2h"}).feed
        '/odds?markets=h2h,totals'
        """
        given = [(name, self.params[name]) for name in LISTED_BY if self.params.get(name)]
        query = "&".join(f"{name}={','.join(sorted(set(v.split(','))))}" for name, v in given)
        return f"{self.path}?{query}" if query else self.path

    @property
    def url(self) -> str:
        """The request's URL, without the key.

        >>> Request("x", "https://a.example/", "/odds", {"markets": "totals,h2h"}).url
        'https://a.example/odds?markets=totals%2Ch2h'
        """
        query = f"?{urlencode(self.params)}" if self.params else ""
        return f"{self.base_url.rstrip('/')}{self.path}{query}"


@dataclass(frozen=True, slots=True)
class Quota:
    """A provider's remaining allowance, in its own units; None where it is not stated.

    Attributes:
        remaining: credits left.
        used: credits used since the allowance was last renewed.
        last: credits that the answer cost.
        resets_at: when the allowance is renewed.
    """

    remaining: int | None = None
    used: int | None = None
    last: int | None = None
    resets_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """An API key that no repr, log line or traceback with locals shows.

    >>> Secret("0123456789abcdef")
    Secret()
    """

    value: str = field(repr=False)

    @classmethod
    def from_environment(cls, name: str, allowed: Container[str] = ()) -> Secret | None:
        """Return the key held by an environment variable; None when `name` is empty.

        Args:
            name: the variable.
            allowed: variables that may hold a key beside those of `may_hold_key`.

        Raises:
            PermanentFailure: the variable may not hold a key, is unset, empty, or holds a value
                that cannot be a key.
        """
        if not name:
            return None
        if not may_hold_key(name, allowed):
            raise PermanentFailure(
                "key_variable_refused",
                f"The environment variable {name} may not hold a provider's key.",
                key_variable_advice(name),
            )
        try:
            value = secret_text(name, os.environ)
        except ValueError as error:
            raise PermanentFailure(
                "key_missing", f"{error}.", f"Correct {name}{SUFFIX} for the workers."
            ) from error
        if not value:
            raise PermanentFailure(
                "key_missing",
                f"The environment variable {name} holds no key.",
                f"Set {name} for the workers and restart them.",
            )
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise PermanentFailure(
                "key_malformed",
                f"The environment variable {name} holds characters that no key has.",
                f"Copy the key into {name} again, without spaces or line breaks.",
            )
        return cls(value)


@dataclass(frozen=True, slots=True)
class Authorisation:
    """A key as it is added to a request when that is sent; never shown.

    Attributes:
        params: further query parameters.
        headers: further headers.
        secret: the key itself, to redact it in an answer that echoes it.
    """

    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: Secret | None = None


class Decoder(Protocol):
    """The reader of one session's answers, in the order received.

    Where each answer is independent, an adapter is its own decoder. Where answers build on each
    other (a stream's image and its deltas), a decoder keeps the state of earlier ones. One thread
    uses it; a new session needs a new decoder.
    """

    def decode(self, request: Request, response: Response) -> Snapshot:
        """Return what can be read of the answer, or of one page if more pages follow.

        Raises:
            ProviderFailure: the provider refused, or the answer is malformed. No other exception
                is raised, for any bytes.
        """
        ...


class Adapter(Protocol):
    """The pipeline's interface to a provider. Stateless: one instance serves all threads."""

    @property
    def key(self) -> str:
        """The key under which the adapter is registered."""
        ...

    @property
    def public_url(self) -> str:
        """The base URL of a provider that names none; empty if the service has no public one."""
        ...

    def requests(self, settings: ProviderSettings) -> Iterable[Request]:
        """Return the requests of one poll, in order.

        Raises:
            ProviderFailure: the settings are not valid for this provider.
        """
        ...

    def authorise(self, request: Request, secret: Secret | None) -> Authorisation:
        """Return the key in the form in which it is sent."""
        ...

    def decoder(self) -> Decoder:
        """Return a decoder for a session that begins now."""
        ...

    def following(self, request: Request, response: Response) -> Request | None:
        """Return the request for the next page; None if no page follows."""
        ...

    def quota(self, response: Response) -> Quota:
        """Return what the answer states about the allowance; refusals state it as well."""
        ...


@dataclass(frozen=True, slots=True)
class Scores:
    """The final scores in one answer.

    Attributes:
        results: those of events that are over.
        left_out: what could not be read, one entry a reason.
        unreadable_share: the part of the answer's events that `left_out` stands for.
    """

    results: Sequence[Reported]
    left_out: tuple[LeftOut, ...] = ()
    unreadable_share: float = 0.0


@runtime_checkable
class ScoreSource(Protocol):
    """The further interface of an adapter whose service says how events have ended."""

    @property
    def scores_cost(self) -> int:
        """The credits that one request for scores costs."""
        ...

    @property
    def scores_days(self) -> int:
        """The number of days after their start for which the service still lists events."""
        ...

    def scores_request(self, base_url: str, sport: str) -> Request:
        """Return the request for the scores of a sport's events."""
        ...

    def is_scores_request(self, request: Request) -> bool:
        """Return True if the request is one for scores, and not for odds."""
        ...

    def decode_scores(self, request: Request, response: Response) -> Scores:
        """Return the final scores that can be read of an answer.

        Raises:
            ProviderFailure: the provider refused, or the answer is malformed.
        """
        ...
