"""Answers of providers that could not be read, kept so that they can be read again."""

from __future__ import annotations

import base64
import zlib
from datetime import datetime
from typing import Any

import msgspec
from redis.exceptions import RedisError

from streaming.coalescing.buffer import first_within
from streaming.core.failures import DataFailure, ProviderFailure
from streaming.core.letters import MAX_BODY_CHARS, Kind, Letter
from streaming.dead_letters.capture import record_letter
from streaming.dead_letters.messages import body_text, exception_info
from streaming.dead_letters.store import POLL_PROVIDER
from streaming.models import PollRun
from streaming.providers.base import Request, Response

REPLAY_PAYLOAD = "streaming.replay_payload"

MAX_PAYLOAD_BYTES = 65_536
"""The largest answer, deflated and in base64, that is kept for replay: a letter is a row."""

MAX_SAMPLES = 8
"""The most reasons of one answer that are sampled."""

SAMPLE_EVERY_MS = 3_600_000
"""The time between two samples of one reason and feed: a bad record stays in every answer."""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """One answer as the arguments of the task that reads it again.

    Attributes:
        provider: the provider's key.
        path: of the request.
        params: of the request, never the API key.
        status: HTTP status.
        content_type: as the answer stated it.
        received_at: when it came.
        packed: the body, deflated and in base64.
        adapter: the adapter that decodes it; empty for the provider's own.
        generation: the provider's generation when it was asked.
    """

    provider: str
    path: str
    params: dict[str, str]
    status: int
    content_type: str
    received_at: datetime
    packed: str
    adapter: str = ""
    generation: int | None = None

    @property
    def body(self) -> bytes:
        """The body as it came."""
        return zlib.decompress(base64.b64decode(self.packed))


def record_unreadable(
    provider_id: int,
    provider: str,
    failure: ProviderFailure,
    request: Request | None,
    response: Response | None,
    generation: int | None = None,
    again: tuple[str, list[Any]] | None = None,
) -> None:
    """Record an answer that could not be read; other failures of a provider are no letters.

    Letters of one provider, feed and failure are one row, which keeps the newest answer. Without
    an answer (it was too large to be read at all, say) a replay asks the provider again.

    Args:
        provider_id: the provider.
        provider: its key.
        failure: what was wrong.
        request: what was asked.
        response: the answer.
        generation: the provider's generation when it was asked.
        again: the task, and its arguments, that asks once more; None for a poll.
    """
    if failure.kind != "data":
        return
    feed = request.feed if request else ""
    task, args = again or (POLL_PROVIDER, [provider_id])
    letter = Letter(
        kind=Kind.PAYLOAD,
        task=task,
        args=args,
        provider=provider,
        feed=feed,
        subject=f"{provider} {feed} {failure.code}",
        **exception_info(failure),
    )
    if request is not None and response is not None:
        letter = _with_answer(letter, request, response, generation)
    record_letter(letter)


def record_left_out(
    run: PollRun, request: Request, response: Response, generation: int | None
) -> None:
    """Record a sample of each reason for which records were left out of an answer.

    At most one an hour of each reason and feed: the rows of the polls count them.

    Args:
        run: the poll's row.
        request: what was asked.
        response: the answer.
        generation: the provider's generation when it was asked.
    """
    for each in run.left_out_reasons[:MAX_SAMPLES]:
        about = f"{run.provider_id} {request.feed} {each['reason']}"
        try:
            is_due = first_within(f"sample:{about}", SAMPLE_EVERY_MS)
        except RedisError:  # one sample too many is better than none
            is_due = True
        if is_due:
            fault = DataFailure(each["reason"], each["message"], each["place"])
            record_unreadable(
                run.provider_id, run.provider.key, fault, request, response, generation
            )


def _with_answer(
    letter: Letter, request: Request, response: Response, generation: int | None
) -> Letter:
    """Return the letter with an answer to be read again, or its beginning if it is too large."""
    packed = base64.b64encode(zlib.compress(response.body)).decode()
    is_whole = len(packed) <= MAX_PAYLOAD_BYTES
    payload = Payload(
        provider=letter.provider,
        path=request.path,
        params=dict(request.params),
        status=response.status,
        content_type=response.headers.get("content-type", ""),
        received_at=response.received_at,
        packed=packed if is_whole else "",
        adapter=request.adapter,
        generation=generation,
    )
    return msgspec.structs.replace(
        letter,
        task=REPLAY_PAYLOAD,
        args=[],
        kwargs=msgspec.to_builtins(payload),
        body=body_text(response.body[:MAX_BODY_CHARS]),
        is_complete=is_whole,
    )
