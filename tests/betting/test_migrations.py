"""Migrations that change rows, back and forth over rows that are there."""

from __future__ import annotations

import math
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState

from betting.models import Bookmaker, BookmakerKind, DoubtfulMatch, DoubtReason, MatchDecision
from streaming.models import AlertSubscriber
from tests.support import rows
from valuation.models import Revaluation

pytestmark = pytest.mark.django_db

PINNACLE = import_module("betting.migrations.0030_pinnacle_is_no_venue")
KALSHI = import_module("betting.migrations.0028_kalshi_charges_contracts")
EXCHANGES = import_module("valuation.migrations.0009_exchanges_by_key")


def loaded(name: str, app: str = "betting") -> tuple[Migration, ProjectState]:
    """A migration with the state it begins from."""
    loader = MigrationLoader(connection)
    migration = loader.get_migration(app, name)
    return migration, loader.project_state(migration.dependencies)


def test_doubts_about_competitions_go_back_as_doubts_about_names() -> None:
    doubt = rows.make_doubt(
        reason=DoubtReason.SPORT,
        decision=MatchDecision.DIFFERENT,
        decided_by="ana",
        decided_at=rows.NOON,
    )
    migration, before = loaded("0018_doubts_about_competitions")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or no table can be altered

    with connection.schema_editor() as editor:
        migration.unapply(before.clone(), editor)
    left = DoubtfulMatch.objects.get()
    assert (left.pk, left.reason, left.decision) == (doubt.pk, "name", "different")

    with connection.schema_editor() as editor:
        migration.apply(before.clone(), editor)
    rows.make_doubt(reason=DoubtReason.SPORT)


def test_permissions_on_the_bookmakers_of_a_feed_follow_its_name_back_and_forth() -> None:
    migration, before = loaded("0021_rename_feedbook_feedbookmaker")
    kept = Permission.objects.get(codename="view_feedbookmaker")

    with connection.schema_editor() as editor:
        migration.unapply(before.clone(), editor)
    kept.refresh_from_db()
    assert (kept.codename, kept.name) == ("view_feedbook", "Can view feed book")

    with connection.schema_editor() as editor:
        migration.apply(before.clone(), editor)
    kept.refresh_from_db()
    assert (kept.codename, kept.name) == ("view_feedbookmaker", "Can view feed bookmaker")


def terms() -> dict[str, tuple[str, float | None]]:
    found = Bookmaker.objects.values_list("key", "kind", "commission")
    return {key: (kind, commission) for key, kind, commission in found}


def test_exchanges_go_back_and_forth_without_a_loss() -> None:
    exchange = BookmakerKind.EXCHANGE
    rows.make_bookmaker(key="smarkets", kind=exchange, commission=0.02)
    rows.make_bookmaker(key="matchbook", kind=exchange, commission=None)
    rows.make_bookmaker(key="betdaq", kind=exchange, commission=0.01)
    rows.make_bookmaker(key="novig", kind=exchange, commission=None)
    rows.make_bookmaker(key="a new exchange", kind=exchange, commission=None)
    rows.make_bookmaker(key="pinnacle")
    before = terms()

    EXCHANGES.forget_exchanges(apps, None)
    assert terms()["smarkets"] == terms()["novig"] == ("sportsbook", 0.0)
    unknown = terms()["a new exchange"][1]
    assert unknown is not None
    assert 1 + (1_000 - 1) * (1 - unknown) < 1.01  # its longest price is no edge either

    EXCHANGES.tell_exchanges(apps, None)
    assert terms() == before
    valued_again = Revaluation.objects.values_list("bookmaker__key", flat=True)
    assert set(valued_again) == {"smarkets", "novig"}


@pytest.mark.parametrize(("rate", "expected"), [(0.07, "contract"), (0.05, "winnings")])
def test_kalshi_takes_the_shipped_fee_model_where_its_rate_is_the_shipped_one(
    rate: float, expected: str
) -> None:
    rows.make_bookmaker(key="kalshi", kind=BookmakerKind.EXCHANGE, commission=rate)
    rows.make_bookmaker(key="another", kind=BookmakerKind.EXCHANGE, commission=0.07)

    KALSHI.charge_contracts(apps, None)
    models = Bookmaker.objects.values_list("key", "fee_model")
    assert dict(models) == {"kalshi": expected, "another": "winnings"}

    KALSHI.charge_winnings(apps, None)
    assert set(Bookmaker.objects.values_list("fee_model", flat=True)) == {"winnings"}


@pytest.mark.parametrize(("weight", "expected"), [(1.0, (False, 10.0)), (3.0, (True, 3.0))])
def test_pinnacle_takes_the_shipped_role_where_nobody_has_set_its_weight(
    weight: float, expected: tuple[bool, float]
) -> None:
    rows.make_bookmaker(key="pinnacle", weight=weight)
    rows.make_bookmaker(key="another")

    PINNACLE.take_its_role(apps, None)
    roles = {b.key: (b.is_venue, b.weight) for b in Bookmaker.objects.all()}
    assert roles == {"pinnacle": expected, "another": (True, 1.0)}

    PINNACLE.leave_its_role(apps, None)
    assert {b.key: (b.is_venue, b.weight) for b in Bookmaker.objects.all()} == {
        "pinnacle": (True, weight),
        "another": (True, 1.0),
    }


def test_hours_until_a_start_are_bounded_in_rows_that_are_there() -> None:
    migration, before = loaded("0018_start_hours_bounded", "streaming")
    with connection.schema_editor() as editor:
        migration.unapply(before.clone(), editor)
    for hours in (None, 24.0, 1e11, math.inf, math.nan, -2.0):
        rows.make_alert_subscriber(start_hours=hours)

    with connection.schema_editor() as editor:
        migration.apply(before.clone(), editor)
    kept = AlertSubscriber.objects.order_by("id").values_list("start_hours", flat=True)
    assert list(kept) == [None, 24.0, 8_760.0, 8_760.0, 8_760.0, 0.0]
    with pytest.raises(IntegrityError, match="alert_subscriber_start_hours_in_range"):
        rows.make_alert_subscriber(start_hours=8_761.0)
