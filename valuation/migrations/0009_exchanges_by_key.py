"""Exchanges that arrived as sportsbooks without a commission get their kind and what they keep.

A row at sportsbook and 0 is as feeds made it; whoever wants it so has to set it once more. Any
other one is left alone. Back again they are as feeds used to make them. What other exchanges keep,
where that is not known, is called nearly all: the code before opens no edge on their prices either,
and the way forward knows it again.
"""

from django.db import migrations

NOT_KNOWN = 0.999999

# As this release shipped them.
COMMISSIONS: dict[str, float | None] = {
    **dict.fromkeys(("betfair_ex", "betfair_ex_au", "betfair_ex_eu", "betfair_ex_uk"), 0.05),
    **dict.fromkeys(("smarkets", "matchbook", "betdaq"), 0.02),
    "kalshi": 0.07,
    **dict.fromkeys(("betdex", "betopenly", "novig", "polymarket", "prophetx"), None),
    **dict.fromkeys(("prophet_exchange", "sporttrade", "sx_bet", "sxbet"), None),
}


def tell_exchanges(apps, _editor):
    bookmakers = apps.get_model("betting", "Bookmaker").objects
    revaluations = apps.get_model("valuation", "Revaluation").objects
    for row in bookmakers.filter(key__in=COMMISSIONS, kind="sportsbook", commission=0.0):
        row.kind, row.commission = "exchange", COMMISSIONS[row.key]
        row.save(update_fields=["kind", "commission"])
        revaluations.create(bookmaker=row, reason=f"{row.key} is an exchange")
    bookmakers.filter(kind="exchange", commission=NOT_KNOWN).update(commission=None)


def forget_exchanges(apps, _editor):
    bookmakers = apps.get_model("betting", "Bookmaker").objects
    for row in bookmakers.filter(key__in=COMMISSIONS, kind="exchange"):
        if row.commission == COMMISSIONS[row.key]:
            row.kind, row.commission = "sportsbook", 0.0
            row.save(update_fields=["kind", "commission"])
    bookmakers.filter(commission__isnull=True).update(commission=NOT_KNOWN)


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0017_unknown_commission"),
        ("valuation", "0008_revaluations"),
    ]

    operations = [migrations.RunPython(tell_exchanges, forget_exchanges)]
