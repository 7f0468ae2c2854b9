"""The providers: whether they are polled, whether they answer, and what of them is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from streaming.core.durations import spoken
from streaming.core.health import ANY, Check, HealthPolicy, Status, check, crossed
from streaming.core.percentages import percent
from streaming.health.judges.common import (
    Judge,
    counted,
    dated,
    lenient,
    limit,
    listed,
    never,
    unknown,
)
from streaming.health.observations import Away, Observations
from streaming.health.stream import ProviderFacts, StreamFacts


def circuits(observations: Observations, _policy: HealthPolicy) -> Check:
    """Judge if circuits are open: one is a warning, all of them a failure."""
    unit, limits = "share of the circuits that are open", (ANY, 1.0)
    if isinstance(observations.stream, Away):
        return unknown("circuits", limits, unit, "PostgreSQL")
    stream = observations.stream
    opened = [each for each in stream.providers if each.circuit != "closed"]
    if not opened:
        return check("circuits", 0.0, limits, unit, "No circuit is open.")
    said = "; ".join(_refused(each, stream) for each in opened[:3])
    detail = f"{said}. {_lost(opened, stream)}"
    found = check("circuits", len(opened) / len(stream.providers), limits, unit, detail)
    begun = sorted(each.circuit_since for each in opened if each.circuit_since is not None)
    if len(begun) < len(opened):
        return found
    # It warns with the first that opened, and fails with the last.
    return replace(found, since=begun[-1] if found.status is Status.FAIL else begun[0])


def provider_silence(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if every enabled provider answers."""
    unit, limits = "times its limit of silence", policy.provider_silence
    if isinstance(observations.stream, Away):
        return unknown("provider_silence", limits, unit, "PostgreSQL")
    stream = observations.stream
    if not stream.providers:
        return check("provider_silence", 0.0, limits, unit, "No provider is enabled.")
    if all(each.silence_seconds is None for each in stream.providers):
        detail = "No provider has ever answered, so there is no price."
        return lenient(never("provider_silence", limits, unit, detail), observations, policy, None)
    worst = max(stream.providers, key=_silence)
    seconds, allowed = worst.unanswered_seconds, worst.stale_after_seconds
    in_seconds = (limits[0] * allowed, limits[1] * allowed)
    bound = limit(seconds, in_seconds)
    found = check("provider_silence", _silence(worst), limits, unit, "")
    detail = f"{worst.key} has not answered for {spoken(seconds)} {bound}. "
    if worst.silence_seconds is None:
        detail = (
            f"{worst.key} was first polled {spoken(seconds)} ago and has never answered {bound}."
            " It has no price."
        )
    elif found.status is Status.PASS:
        detail = f"Every provider answers; {worst.key} did {spoken(seconds)} ago {bound}."
    elif found.status is Status.WARN:
        detail += f"Its quotes are quarantined from {spoken(allowed)} on."
    else:
        detail += _lost([worst], stream)
    found = replace(found, detail=detail)
    return lenient(dated(found, observations, seconds, in_seconds), observations, policy, seconds)


def book_silence(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if bookmakers go unconfirmed, though their feeds answer."""
    unit, limits = "share of the bookmakers that nothing confirms", policy.silent_books
    if isinstance(observations.stream, Away):
        return unknown("book_silence", limits, unit, "PostgreSQL")
    silent, heard = observations.stream.books_silent, observations.stream.books_heard
    if not silent:
        return check("book_silence", 0.0, limits, unit, "Every bookmaker is confirmed.")
    share = sum(silent.values()) / heard if heard else 0.0
    named = listed([f"{count} of {provider}" for provider, count in silent.items()])
    detail = (
        f"Nothing confirms {percent(share)} of {counted(heard, 'bookmaker')}"
        f" (limit {percent(crossed(share, limits))}): {named}. Their quotes are off the board."
    )
    return check("book_silence", share, limits, unit, detail)


def quota(observations: Observations, _policy: HealthPolicy) -> Check:
    """Judge if credits last: a provider slowed down is a warning, one without any a failure."""
    unit, limits = "1: slowed down, 2: used up", (1.0, 2.0)
    if isinstance(observations.stream, Away):
        return unknown("quota", limits, unit, "PostgreSQL")
    used_up, paced = [], []
    for each in observations.stream.providers:
        left, cost = each.quota_remaining, each.quota_poll_cost
        if left is not None and left < (cost or 1):
            used_up.append(
                f"{each.key} has {counted(left, 'credit')} left and a poll costs {cost or 1:g}, so"
                " it is not polled until they are renewed"
            )
        elif each.is_paced:
            paced.append(f"{each.key} is polled every {spoken(each.interval_seconds)} only, so that"
                         " its credits last")  # fmt: skip
    observed = 2 if used_up else 1 if paced else 0
    detail = "; ".join([*used_up, *paced][:3]) or "The credits of every provider last"
    return check("quota", observed, limits, unit, f"{detail}.")


def activity(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if anything is polled."""
    unit, limits = "intervals since the last poll", policy.silence_intervals
    if isinstance(observations.stream, Away):
        return unknown("activity", limits, unit, "PostgreSQL")
    seconds, providers = observations.stream.polled_seconds, observations.stream.providers
    if not providers:
        detail = "No provider is enabled, so nothing is polled."
        return lenient(never("activity", limits, unit, detail), observations, policy, None)
    if seconds is None:
        detail = "No provider was ever polled, so there is no price."
        return lenient(never("activity", limits, unit, detail), observations, policy, None)
    interval = min(each.interval_seconds for each in providers)
    in_seconds = (limits[0] * interval, limits[1] * interval)
    if seconds < in_seconds[0]:
        detail = f"A provider was polled {spoken(seconds)} ago."
    else:
        bound = limit(seconds, in_seconds)
        detail = f"No provider has been polled for {spoken(seconds)} {bound}. All prices are old."
    found = check("activity", seconds / interval, limits, unit, detail)
    return lenient(dated(found, observations, seconds, in_seconds), observations, policy, seconds)


def _silence(provider: ProviderFacts) -> float:
    return provider.unanswered_seconds / provider.stale_after_seconds


def _refused(provider: ProviderFacts, stream: StreamFacts) -> str:
    since = provider.circuit_since
    lasts = "is open"
    if since is not None:
        lasts = f"has been open for {spoken((stream.now - since).total_seconds())}"
    reason = provider.reason.rstrip(".") or "no reason is recorded"
    return f"The circuit of {provider.key} {lasts}: {reason}"


def _lost(providers: Sequence[ProviderFacts], stream: StreamFacts) -> str:
    """Say what the silence of providers has cost."""
    quarantined = sum(each.quarantined for each in providers)
    return (
        f"{counted(quarantined, 'quote is', 'quotes are')} quarantined,"
        f" {counted(stream.edges_open, 'edge is', 'edges are')} open."
    )


CHECKS: tuple[Judge, ...] = (circuits, provider_silence, book_silence, quota, activity)
"""In the order in which they are shown."""
