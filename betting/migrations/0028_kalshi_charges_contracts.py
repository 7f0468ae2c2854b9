"""Kalshi's fee is one of contracts, where its row still has the 7 % of winnings that were shipped."""

from django.db import migrations


def charge_contracts(apps, _editor):
    shipped(apps, fee_model="winnings").update(fee_model="contract")


def charge_winnings(apps, _editor):
    shipped(apps, fee_model="contract").update(fee_model="winnings")


def shipped(apps, **fields):
    bookmakers = apps.get_model("betting", "Bookmaker").objects
    return bookmakers.filter(key="kalshi", kind="exchange", commission=0.07, **fields)


class Migration(migrations.Migration):
    dependencies = [("betting", "0027_fee_model")]

    operations = [migrations.RunPython(charge_contracts, charge_winnings)]
