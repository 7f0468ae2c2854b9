"""One request to a provider, under its circuit: its answer is ingested and recorded in a row."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.db import DataError

from betting.config import Config
from betting.logs import Operation, operation
from betting.models import Provider
from streaming.core.breaker import CallOutcome, Decision
from streaming.core.failures import DataFailure, PermanentFailure, ProviderFailure
from streaming.core.snapshot import LeftOut, Snapshot, require_readable
from streaming.core.texts import one_line
from streaming.dead_letters.payloads import record_left_out, record_unreadable
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.ingest.quarantine import quarantine_unsafe
from streaming.models import PollOutcome, PollRun
from streaming.polling import circuits
from streaming.polling.circuits import Admission, Now
from streaming.polling.feed_circuits import FeedCircuits
from streaming.polling.plan import Planner
from streaming.polling.throttle import Throttle
from streaming.providers.base import Adapter, Decoder, Quota, Request, Response

T = TypeVar("T")

SendRequest = Callable[[Request], Response | None]
"""A function that sends a request to a provider; None if the same request was sent moments ago."""


@dataclass(frozen=True, slots=True)
class PollSession:
    """The parts of one poll, or one replay, of a provider.

    Attributes:
        provider: the provider that is asked.
        source: the adapter that speaks its protocol.
        decoder: reads its answers, in their order.
        send: sends a request to it.
        feeds: the circuits of its feeds.
        throttle: counts its calls for the throttle; None where that is off.
        planner: learns when its prices change; None where nothing is planned.
    """

    provider: Provider
    source: Adapter
    decoder: Decoder
    send: SendRequest
    feeds: FeedCircuits
    throttle: Throttle | None = None
    planner: Planner | None = None


@dataclass(frozen=True, slots=True)
class RequestResult:
    """The result of one request.

    Attributes:
        run: the row that records it.
        ingested: the changes that its answer made.
        failure: why there is no usable answer; None if there is one.
        seconds: how long the provider took.
        following: the request for the next page; None if the answer was not a page before the last.
    """

    run: PollRun
    ingested: IngestResult
    failure: ProviderFailure | None
    seconds: float
    following: Request | None = None

    @property
    def concerns_feed(self) -> bool:
        """True if the request failed in a way that concerns its feed alone."""
        return self.failure is not None and self.failure.scope == "feed"

    @property
    def is_page(self) -> bool:
        """True if the answer was a page before the last, so that the feed has not answered yet."""
        return self.run.outcome == PollOutcome.PAGE


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """The result of a request for odds or for something else.

    Attributes:
        result: what using the answer brought; None without a usable one.
        failure: why there is no usable answer; None if there is one, or nothing was sent.
        response: the answer; None if there was none.
        seconds: how long the provider took.
    """

    result: T | None
    failure: ProviderFailure | None
    response: Response | None
    seconds: float


def make_request(
    session: PollSession, request: Request, config: Config, now: Now
) -> RequestResult | None:
    """Make one request, if the provider's circuit admits it, and ingest the answer.

    Returns:
        The result, with the markets that lose prices if the call opens the circuit of the provider
        or the feed; None if the provider's circuit refuses.
    """
    provider = session.provider
    admission = circuits.admit(provider.pk, config, now())
    if isinstance(admission, Decision):
        refuse(PollRun(provider=provider, feed=request.feed[:2000]), admission)
        return None
    result = make_admitted_request(session, request, config, admission.generation)
    if result.run.outcome == PollOutcome.REPEATED:
        circuits.release(admission)
        return result
    call = CallOutcome.of(result.failure, result.seconds, admission.probe)
    if request.recorded is not None:
        # A recorded answer puts no load on the provider, so a pause it asked for does not matter.
        call = replace(call, retry_after_seconds=0.0)
    if result.concerns_feed:
        # The provider answered: its other feeds show whether it is healthy.
        circuits.release(admission)
        quarantined = _settle_feed(session, request, call, now)
    else:
        # Pages that arrive do not clear a feed whose last page keeps failing.
        if call.kind is None and not result.is_page:
            session.feeds.record(request.feed, call, now())
        throttle = session.throttle if request.recorded is None else None
        quarantined = settle(admission, call, config, now, throttle)
    return replace(result, ingested=replace(result.ingested, quarantined=quarantined))


def fail_unanswered(
    session: PollSession, failures: Sequence[ProviderFailure], config: Config, now: Now
) -> IngestResult:
    """Count a failure of the provider, because none of its feeds answers.

    Of several failures, the one that may be over the soonest counts.
    """
    admission = circuits.admit(session.provider.pk, config, now())
    if isinstance(admission, Decision):
        return IngestResult()
    call = CallOutcome.of(min(failures, key=_gravity), 0.0, admission.probe)
    call = replace(call, reason=f"no feed answers: {call.reason}")
    return IngestResult(quarantined=settle(admission, call, config, now, session.throttle))


def _gravity(failure: ProviderFailure) -> int:
    if not isinstance(failure, PermanentFailure):
        return 0
    return 2 if failure.needs_person else 1


def fail_before_request(
    provider: Provider, failure: ProviderFailure, config: Config, now: Now
) -> IngestResult:
    """Record that no request could be made: no key, an unknown adapter, no recording."""
    run = PollRun(provider=provider, duration_ms=0.0)
    admission = circuits.admit(provider.pk, config, now())
    if isinstance(admission, Decision):
        refuse(run, admission)
        return IngestResult()
    with operation("provider", "poll", provider=provider.key) as op:
        fail(run, failure)
        log_run(op, run)
    call = CallOutcome.of(failure, 0.0, admission.probe)
    return IngestResult(quarantined=settle(admission, call, config, now))


def record_throttled(provider: Provider, reason: str) -> None:
    """Record that a poll is held back, and why."""
    refuse(PollRun(provider=provider), Decision("refuse", reason=reason))


def make_admitted_request(
    session: PollSession, request: Request, config: Config, generation: int | None = None
) -> RequestResult:
    """Make one request without asking its circuit, and ingest the answer.

    Each result is recorded in one `PollRun` row and one log line. An outage of our own servers is
    the task's failure instead.

    Args:
        session: the provider, and how it is asked.
        request: the request to make.
        config: deadlines and policies.
        generation: the provider's, as the circuit said it; None where no circuit was asked.
    """
    provider = session.provider
    with operation("provider", "poll", provider=provider.key, feed=request.feed) as op:
        result = _request_and_ingest(session, request, config, generation)
        log_run(op, result.run)
    return result


def _request_and_ingest(
    session: PollSession, request: Request, config: Config, generation: int | None
) -> RequestResult:
    run = PollRun(provider=session.provider, feed=request.feed[:2000])

    def use(response: Response) -> IngestResult:
        return _ingest(run, session, request, response, config, generation)

    answer = ask(run, request, session.send, use, generation)
    following = None
    if run.outcome == PollOutcome.PAGE and answer.response is not None:
        following = session.source.following(request, answer.response)
    ingested = answer.result or IngestResult()
    return RequestResult(run, ingested, answer.failure, answer.seconds, following)


def ask(
    run: PollRun,
    request: Request,
    send: SendRequest,
    use: Callable[[Response], T],
    generation: int | None,
    again: tuple[str, list[Any]] | None = None,
) -> Answer[T]:
    """Send a request, use its answer, and record both in a row and, where need be, in letters.

    Args:
        run: the row, of the provider and the feed; it is saved.
        request: the request.
        send: sends it.
        use: reads the answer and does what is to be done with it; it notes on the row what the
            answer held, and may raise `ProviderFailure`.
        generation: the provider's, as its circuit said it; None where no circuit was asked.
        again: the task, and its arguments, that asks once more; None for a poll.
    """
    started = time.perf_counter()
    run.started_at = datetime.now(UTC)
    result, failure, response = None, None, None
    try:
        response = send(request)
        if response is None:
            run.outcome = PollOutcome.REPEATED
        else:
            run.http_status, run.response_bytes = response.status, response.wire_bytes
            result = use(response)
    except ProviderFailure as caught:
        failure = caught
    elapsed = time.perf_counter() - started
    run.duration_ms = elapsed * 1000
    if failure is None:
        run.save()
        if run.left_out and response is not None:
            record_left_out(run, request, response, generation)
    else:
        fail(run, failure)
        provider = run.provider
        record_unreadable(provider.pk, provider.key, failure, request, response, generation, again)
    seconds = elapsed if response is None else response.duration_ms / 1000
    return Answer(result, failure, response, seconds)


def recorded_answer(request: Request) -> Response | None:
    """Return the answer that a recorded request got at the time, without asking a provider."""
    return request.recorded


def settle(
    admission: Admission,
    call: CallOutcome,
    config: Config,
    now: Now,
    throttle: Throttle | None = None,
) -> Sequence[int]:
    """Count a call; take the provider's prices off the board if its circuit has opened."""
    circuit = circuits.record(admission, call, config, now())
    if throttle is not None:
        throttle.record(call, circuit)
    if circuit.state != "open":
        return ()
    return quarantine_unsafe(now(), admission.provider_id)


def _settle_feed(
    session: PollSession, request: Request, call: CallOutcome, now: Now
) -> Sequence[int]:
    """Count a call about a feed; take its prices off the board if its circuit has opened."""
    if not session.feeds.record(request.feed, call, now()):
        return ()
    return quarantine_unsafe(now(), session.provider.pk)


def _ingest(
    run: PollRun,
    session: PollSession,
    request: Request,
    response: Response,
    config: Config,
    generation: int | None,
) -> IngestResult:
    note_quota(run, session.source.quota(response))
    snapshot = session.decoder.decode(request, response)
    _note_contents(run, snapshot)
    require_readable(snapshot, config.poll.max_unreadable_share)
    if snapshot.is_page:
        run.outcome = PollOutcome.PAGE
        return IngestResult()
    policy = IngestPolicy(config.movement, config.staleness, config.matching)
    try:
        result = ingest(run.provider_id, snapshot, policy, generation)
    except DataError:
        result = None
    if result is None:
        raise DataFailure("unstorable", "The database cannot store a value.", one_line(run.feed))
    run.outcome = result.skipped_reason or PollOutcome.OK
    if session.planner is not None and result.skipped_reason is None:
        session.planner.note(snapshot, result)
    run.changes = sum(result.counts.values())
    return result


def _note_contents(run: PollRun, snapshot: Snapshot) -> None:
    """Note on a poll's row what its answer holds, and what of it could not be read."""
    run.quotes_seen = snapshot.quotes_seen
    note_left_out(run, snapshot.left_out)
    run.texts_cleaned = snapshot.texts_cleaned


def note_left_out(run: PollRun, left_out: Sequence[LeftOut]) -> None:
    """Note on a poll's row what of its answer could not be read."""
    run.left_out = sum(each.count for each in left_out)
    run.left_out_reasons = [
        {
            "reason": each.reason,
            "count": each.count,
            "place": one_line(each.place),
            "message": one_line(each.message),
        }
        for each in left_out
    ]


def note_quota(run: PollRun, quota: Quota) -> None:
    """Note on a poll's row, and on its provider's, what an answer states about the allowance."""
    run.quota_remaining, run.quota_cost = quota.remaining, quota.last
    if quota.remaining is not None or quota.used is not None:
        Provider.objects.filter(pk=run.provider_id).update(
            quota_remaining=quota.remaining,
            quota_used=quota.used,
            quota_resets_at=quota.resets_at,
        )


def refuse(run: PollRun, decision: Decision) -> None:
    """Record that the provider's circuit refused a request."""
    run.outcome, run.duration_ms = PollOutcome.REFUSED, 0.0
    run.failure_message = decision.reason[:500]
    run.save()
    with operation("provider", "poll", provider=run.provider.key, feed=run.feed) as op:
        log_run(op, run)


def fail(run: PollRun, failure: ProviderFailure) -> None:
    """Record a request's failure in its row."""
    run.outcome = PollOutcome.FAILED
    run.failure_kind = failure.kind
    run.failure_code = failure.code[:64]
    run.failure_message = str(failure)[:500]
    if isinstance(failure, PermanentFailure):
        run.failure_advice = failure.remedy[:500]
    run.save()


def log_run(op: Operation, run: PollRun) -> None:
    """Copy the facts of a poll's row to its log line."""
    if run.outcome == PollOutcome.FAILED:
        op.status = "timeout" if run.failure_code == "timeout" else "failed"
        op.add(kind=run.failure_kind, code=run.failure_code, advice=run.failure_advice)
    elif run.outcome != PollOutcome.OK:
        op.status = "skipped"
        op.add(code=run.outcome)
    if run.failure_message:
        op.add(reason=run.failure_message)
    if run.http_status is not None:
        op.add(http_status=run.http_status)
    if run.left_out:
        op.add(left_out=run.left_out)
    op.add(bytes=run.response_bytes, quotes=run.quotes_seen, changes=run.changes)
