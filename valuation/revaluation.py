"""Valuing again after a change of an input other than a quote: a commission, a setting, the code.

A market is valued when its version rises, and a quote's change raises it. This module raises it for
all other inputs of a valuation. The change and the `Revaluation` that it calls for are one
transaction; the sweeper works it off in steps, each a transaction of its own that raises some
markets' versions and notes how far it has come. A process that dies between two steps loses
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from inspect import getfile
from pathlib import Path

import msgspec
from django.db import transaction

from betting.config.live import changes_in_force
from betting.db import price_groups, weights
from betting.db.market_versions import raising
from betting.db.sql import fetch_all
from betting.models import Bookmaker
from valuation.models import AppliedPolicy, Revaluation
from valuation.policy import ValuationPolicy

STARTED_AT = datetime.now(UTC)
"""The time at which this process began, and so read its settings."""

STEP_MARKETS = 2_000
"""Markets whose versions one step raises."""

INPUTS = ("kind", "weight", "commission", "fee_model", "is_venue", "price_group")
"""Fields of a bookmaker that a valuation depends on."""


def change_bookmaker(bookmaker: Bookmaker, values: Mapping[str, object]) -> bool:
    """Write fields of a bookmaker, and have its markets valued again if that changes anything.

    Args:
        bookmaker: the bookmaker; its other fields are not written.
        values: field → new value.

    Returns:
        True if an input of valuations has changed.
    """
    with transaction.atomic():
        before = Bookmaker.objects.select_for_update().get(pk=bookmaker.pk)
        changed = [
            name for name in INPUTS if name in values and values[name] != getattr(before, name)
        ]
        for name, value in values.items():
            setattr(bookmaker, name, value)
        bookmaker.save(update_fields=[*values])
        if changed:
            reason = f"{', '.join(changed)} of {bookmaker.key} changed"
            Revaluation.objects.create(bookmaker=bookmaker, reason=reason)
    return bool(changed)


def change_weights(bookmaker: Bookmaker, change: Callable[[], object]) -> None:
    """Change a bookmaker's particular weights, and have its markets valued again.

    Args:
        bookmaker: whose weights change.
        change: writes `BookmakerWeight` rows of it.
    """
    with transaction.atomic():
        change()
        reason = f"weights of {bookmaker.key} changed"
        Revaluation.objects.create(bookmaker=bookmaker, reason=reason)


def policy_set_at() -> datetime:
    """Return when the settings of this process were set: at its start, or live since."""
    return max(STARTED_AT, changes_in_force().changed_at or STARTED_AT)


def apply_policy(policy: ValuationPolicy, set_at: datetime) -> bool:
    """Have all markets valued again if this process values by other settings or code than applied.

    The code counts because, after an upgrade, a market whose quotes never change would keep the
    value of the code before.

    Of two processes that differ, as there are while workers are restarted one by one or follow a
    live setting, the one whose settings are younger decides. The other changes nothing back.

    Args:
        policy: this process's settings.
        set_at: `policy_set_at`.

    Returns:
        True if other settings or other code were applied before.
    """
    settings = msgspec.json.encode(asdict(policy), order="sorted")
    fingerprint = sha256(_code() + settings).hexdigest()
    if AppliedPolicy.objects.filter(pk=1, fingerprint=fingerprint).exists():
        return False
    with transaction.atomic():
        applied, is_first = AppliedPolicy.objects.select_for_update().get_or_create(
            pk=1, defaults={"fingerprint": fingerprint, "applied_at": set_at}
        )
        if is_first or applied.fingerprint == fingerprint or applied.applied_at >= set_at:
            return False
        applied.fingerprint, applied.applied_at = fingerprint, set_at
        applied.save()
        Revaluation.objects.create(reason="the valuation settings or their code changed")
    return True


@cache
def _code() -> bytes:
    """Return a digest of the modules that value: to value once too often is safe."""
    own = sorted(Path(__file__).parent.glob("*.py"))
    weighing = [Path(getfile(module)) for module in (weights, price_groups)]
    return sha256(b"".join(module.read_bytes() for module in (*own, *weighing))).digest()


def step(limit: int = STEP_MARKETS) -> list[int]:
    """Raise the versions of the next markets that a changed input affects.

    Idempotent by `Revaluation.after_market`, which moves in the same transaction. A revaluation
    that another sweep has locked is left to it.

    Returns:
        The markets, in id order: they have to be valued. Empty where nothing is left to do.
    """
    with transaction.atomic():
        while row := _next():
            parameters = {"bookmaker": row.bookmaker_id, "after": row.after_market, "limit": limit}
            ((found, last, raised),) = fetch_all(_RAISE, parameters)
            # Of those found, some may have been deleted before they were locked.
            if found < limit:
                row.delete()
            else:
                row.after_market = last
                row.save(update_fields=["after_market"])
            if raised:
                return sorted(raised)
    return []


def _next() -> Revaluation | None:
    return Revaluation.objects.select_for_update(skip_locked=True).order_by("id").first()


# Markets that are not up to date are valued in any case; raising their versions too keeps the
# statement free of a condition that could change meanwhile.
_RAISE = raising(
    """
WITH touched AS MATERIALIZED (
    SELECT m.id AS market_id FROM betting_market m
    WHERE m.id > %(after)s AND EXISTS (
        SELECT FROM betting_quote q
        WHERE q.market_id = m.id AND q.status = 'active'
          AND q.bookmaker_id = COALESCE(%(bookmaker)s::bigint, q.bookmaker_id)
    )
    ORDER BY m.id LIMIT %(limit)s
)""",
    """SELECT (SELECT count(*) FROM touched), (SELECT max(market_id) FROM touched),
    ARRAY(SELECT id FROM raised)""",
)
