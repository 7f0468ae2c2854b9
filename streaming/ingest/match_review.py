"""Applying a person's decision about a doubtful match."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from betting.db.querysets import participant_aliases
from betting.models import (
    DoubtfulMatch,
    Event,
    EventAlias,
    EventStatus,
    Market,
    MatchDecision,
    ParticipantAlias,
)
from streaming.core.matching import MatchPolicy
from streaming.core.participants import (
    Likeness,
    Pair,
    canonical_pair,
    likeness,
    shares_a_side,
    sport_family,
)
from streaming.ingest.locks import lock_family


class UndecidableError(Exception):
    """A decision that cannot be taken; the message tells the user why."""


def decide_same(doubt_id: int, by: str, policy: MatchPolicy) -> DoubtfulMatch:
    """Merge the doubtful event into its candidate: a person says that they are one.

    The event's aliases move to the candidate, so that the next complete answers of its providers
    quote on the candidate and suspend their quotes on the event, which is marked as ended. Names
    that differ become aliases of participants, so that the next event of the two is recognised
    without asking.

    Args:
        doubt_id: the `DoubtfulMatch`.
        by: the user who decides.
        policy: how names are compared.

    Raises:
        UndecidableError: it is already decided, or a provider knows both, so they are two.
    """
    with transaction.atomic():
        doubt = _open(doubt_id)
        _refuse_two_of_one_provider(doubt)
        _learn_names(doubt, policy)
        doubt.event.aliases.update(event=doubt.candidate)
        Event.objects.filter(pk=doubt.event_id).update(status=EventStatus.ENDED)
        # Nothing is on offer on an ended event: its edges close with the next valuation.
        _raise_versions(doubt.event_id)
        _decide(doubt, MatchDecision.SAME, by)
        _settle_others(doubt, by)
    return doubt


def decide_different(doubt_id: int, by: str) -> DoubtfulMatch:
    """Record that the two events differ. The pair is not asked about again.

    Raises:
        UndecidableError: it is already decided.
    """
    with transaction.atomic():
        doubt = _open(doubt_id)
        _decide(doubt, MatchDecision.DIFFERENT, by)
    return doubt


def _open(doubt_id: int) -> DoubtfulMatch:
    """Return the open doubt, holding the lock of its family."""
    doubts = DoubtfulMatch.objects.select_related("event__sport", "candidate", "provider")
    doubt = doubts.filter(pk=doubt_id).first()
    if doubt is None:
        raise UndecidableError(f"there is no doubtful match {doubt_id}")
    lock_family(sport_family(doubt.event.sport.key))
    doubt = doubts.filter(pk=doubt_id).first()  # again under the lock: it may be decided meanwhile
    if doubt is None or doubt.decision != MatchDecision.OPEN:
        raise UndecidableError(f"doubtful match {doubt_id} is already decided")
    return doubt


def _raise_versions(event_id: int) -> None:
    markets = Market.objects.filter(event=event_id)
    # In id order, as every writer of markets locks them.
    list(markets.order_by("pk").select_for_update(no_key=True).values_list("pk"))
    markets.update(version=F("version") + 1, dirty_at=Coalesce("dirty_at", Now()))


def _refuse_two_of_one_provider(doubt: DoubtfulMatch) -> None:
    apart = EventAlias.objects.filter(event=doubt.event_id)
    both = apart.filter(provider__eventalias__event=doubt.candidate_id)
    alias = both.select_related("provider").first()
    if alias is not None:
        raise UndecidableError(
            f"{alias.provider.key} lists both events (this one as {alias.external_id}), so they"
            " are different"
        )


def _learn_names(doubt: DoubtfulMatch, policy: MatchPolicy) -> None:
    """Make an alias of each name of the merged event that differs from the candidate's."""
    family = sport_family(doubt.event.sport.key)
    aliases = participant_aliases(family)
    theirs, ours = (
        canonical_pair(Pair(event.home, event.away), aliases)
        for event in (doubt.event, doubt.candidate)
    )
    alike = likeness(theirs, ours, policy.similar_ratio)
    if alike is Likeness.NONE and not shares_a_side(theirs, ours):
        return  # the provider has replaced the participants since: no names to learn
    if alike.is_swapped or theirs.home == ours.away or theirs.away == ours.home:
        ours = Pair(ours.away, ours.home)
    for name, canonical in zip(theirs, ours, strict=True):
        if name != canonical:
            ParticipantAlias.objects.update_or_create(
                family=family, name=name, defaults={"canonical": canonical}
            )


def _decide(doubt: DoubtfulMatch, decision: MatchDecision, by: str) -> None:
    doubt.decision, doubt.decided_by, doubt.decided_at = decision, by, Now()
    doubt.save(update_fields=["decision", "decided_by", "decided_at"])


def _settle_others(doubt: DoubtfulMatch, by: str) -> None:
    """Settle the other open doubts about the event that was merged into the candidate.

    Its own are decided: the events are different. Doubts that name it as their candidate now name
    the event it was merged into; those that would repeat a doubt, or pair an event with itself, are
    deleted.
    """
    others = DoubtfulMatch.objects.filter(decision=MatchDecision.OPEN)
    others.filter(event=doubt.event_id).update(
        decision=MatchDecision.DIFFERENT, decided_by=by, decided_at=Now()
    )
    asked = DoubtfulMatch.objects.filter(candidate=doubt.candidate_id).values("event")
    waiting = others.filter(candidate=doubt.event_id)
    waiting.exclude(event__in=asked).exclude(event=doubt.candidate_id).update(
        candidate=doubt.candidate_id
    )
    waiting.delete()
