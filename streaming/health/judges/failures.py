"""The failures: dead letters, and subscribers that are suppressed."""

from __future__ import annotations

from streaming.core.health import ALWAYS_WELL, Check, HealthPolicy, check, crossed, samples_needed
from streaming.core.percentages import percent
from streaming.health.judges.common import Judge, counted, listed, unknown
from streaming.health.judges.valuation import too_few
from streaming.health.observations import Away, Observations, Work
from streaming.models import NOT_REQUESTED


def dead_letter_rate(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if much of the work fails for good."""
    unit, limits = "dead letters for each piece of work in 1 hour", policy.dead_letter_rate
    if isinstance(observations.stream, Away):
        return unknown("dead_letter_rate", limits, unit, "PostgreSQL")
    letters = observations.work.long.sum("letters") if observations.work else 0
    pieces = max(letters, pieces_of_work(observations.work) if observations.work else 0)
    needed = samples_needed(limits[0])
    worked = counted(pieces, "piece of work", "pieces of work")
    if pieces < needed:
        detail = too_few(worked, "1 h", needed)
        return check("dead_letter_rate", 0.0, limits, unit, detail)
    rate = letters / pieces
    detail = (
        f"{letters:,.0f} of {worked} failed for good in 1 h: {percent(rate, 1)}"
        f" (limit {percent(crossed(rate, limits), 1)})."
    )
    if rate >= limits[0]:
        detail += " They wait as dead letters."
    return check("dead_letter_rate", rate, limits, unit, detail)


def dead_letter_growth(observations: Observations, policy: HealthPolicy) -> Check:
    """Judge if dead letters pile up."""
    unit, limits = "dead letters in 1 hour", policy.dead_letters_per_hour
    if isinstance(observations.stream, Away):
        return unknown("dead_letter_growth", limits, unit, "PostgreSQL")
    letters = observations.work.long.sum("letters") if observations.work else 0
    waiting = counted(observations.stream.letters_new, "dead letter waits", "dead letters wait")
    detail = (
        f"{counted(letters, 'piece of work', 'pieces of work')} failed for good in 1 h"
        f" (limit {crossed(letters, limits):g}). {waiting} for a person."
    )
    return check("dead_letter_growth", letters, limits, unit, detail)


def subscribers(observations: Observations, _policy: HealthPolicy) -> Check:
    """Judge if subscribers fail; a warning, because nothing else waits for them."""
    unit, limits = "subscribers that are suppressed", (1.0, ALWAYS_WELL[1])
    if isinstance(observations.stream, Away):
        return unknown("subscribers", limits, unit, "PostgreSQL")
    suppressed = observations.stream.suppressed
    detail = "No subscriber is suppressed."
    if suppressed:
        are = counted(len(suppressed), "subscriber fails and is", "subscribers fail and are")
        detail = (
            f"{are} suppressed for a while: {listed(suppressed)}. Dead letters keep what they miss."
        )
    return check("subscribers", len(suppressed), limits, unit, detail)


def pieces_of_work(work: Work) -> float:
    """Count the requests to providers, the recomputes and the deliveries of the past hour."""
    polls = work.long.by_label("polls")
    requests = sum(count for outcome, count in polls.items() if outcome not in NOT_REQUESTED)
    return requests + work.long.sum("recomputes") + work.long.sum("deliveries")


CHECKS: tuple[Judge, ...] = (dead_letter_rate, dead_letter_growth, subscribers)
"""In the order in which they are shown."""
