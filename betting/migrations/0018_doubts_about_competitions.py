"""Let a doubt be about two competitions in which the same names play.

Reversed, such doubts become doubts about names, so that no decision on one is lost.
"""

from django.db import migrations, models

REASONS = ["start", "sides", "name", "several", "sport"]


def call_competitions_names(apps, _editor):
    doubts = apps.get_model("betting", "DoubtfulMatch").objects
    doubts.filter(reason="sport").update(reason="name")


class Migration(migrations.Migration):
    dependencies = [("betting", "0017_unknown_commission")]

    operations = [
        migrations.RemoveConstraint(
            model_name="doubtfulmatch",
            name="doubtful_match_reason_known",
        ),
        migrations.RunPython(migrations.RunPython.noop, call_competitions_names),
        migrations.AlterField(
            model_name="doubtfulmatch",
            name="reason",
            field=models.CharField(
                choices=[
                    ("start", "the starts differ"),
                    ("sides", "home and away are swapped"),
                    ("name", "a name is merely similar, or one side alone is equal"),
                    ("several", "more than one fits"),
                    ("sport", "the competitions differ"),
                ],
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="doubtfulmatch",
            constraint=models.CheckConstraint(
                condition=models.Q(reason__in=REASONS),
                name="doubtful_match_reason_known",
            ),
        ),
    ]
