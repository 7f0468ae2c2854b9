"""The weight of a bookmaker in the consensus on a market: one rule, for querysets and statements.

The most particular of its `BookmakerWeight` rows decides: that of the sport's family and the kind
of market, else that of the family, else that of the kind, else the bookmaker's own weight. Among
the rows that apply it is the first by family and kind downwards: an empty text sorts before all.
"""

from __future__ import annotations

from django.db.models import Func, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from betting.models import Bookmaker, BookmakerWeight, Market

FAMILY = "split_part(s.key, '_', 1)"
"""The family of the sport `s`, as `streaming.core.participants.sport_family` has it."""

WEIGHT = """COALESCE((
    SELECT w.weight FROM betting_bookmakerweight w
    WHERE w.bookmaker_id = b.id AND w.family IN ('', m.family) AND w.kind IN ('', m.kind)
    ORDER BY w.family DESC, w.kind DESC LIMIT 1
), b.weight)"""
"""The weight of the bookmaker `b` on a market `m (family, kind)`."""

PARTICULAR_WEIGHTS = """
    SELECT DISTINCT ON (m.id, w.bookmaker_id) m.id AS market_id, w.bookmaker_id, w.weight
    FROM market m
    JOIN betting_bookmakerweight w ON w.family IN ('', m.family) AND w.kind IN ('', m.kind)
    ORDER BY m.id, w.bookmaker_id, w.family DESC, w.kind DESC
"""
"""The weights on markets `market (id, family, kind)` that are not the bookmakers' own."""


def weight_on_market() -> Coalesce:
    """Return the weight of a quote's bookmaker on the quote's market, as an expression.

    It joins nothing: PostgreSQL reads quote by quote, and stops where it has found enough.
    """
    market = Market.objects.filter(pk=OuterRef(OuterRef("market")))
    key = Subquery(market.values("event__sport__key"))
    family = Func(key, Value("_"), Value(1), function="split_part")
    rows = BookmakerWeight.objects.filter(
        Q(family="") | Q(family=family),
        Q(kind="") | Q(kind=Subquery(market.values("kind"))),
        bookmaker=OuterRef("bookmaker"),
    ).order_by("-family", "-kind")
    own = Bookmaker.objects.filter(pk=OuterRef("bookmaker"))
    return Coalesce(Subquery(rows.values("weight")[:1]), Subquery(own.values("weight")))
