"""Pinnacle informs the consensus and is no venue, where its row is as feeds used to make it."""

from django.db import migrations

BEFORE = {"is_venue": True, "weight": 1.0}
AFTER = {"is_venue": False, "weight": 10.0}


def take_its_role(apps, _editor):
    shipped(apps).filter(**BEFORE).update(**AFTER)


def leave_its_role(apps, _editor):
    shipped(apps).filter(**AFTER).update(**BEFORE)


def shipped(apps):
    bookmakers = apps.get_model("betting", "Bookmaker").objects
    return bookmakers.filter(key="pinnacle", kind="sportsbook", commission=0.0)


class Migration(migrations.Migration):
    dependencies = [("betting", "0029_bookmaker_venue")]

    operations = [migrations.RunPython(take_its_role, leave_its_role)]
