"""Let an exchange's commission be unknown; a sportsbook's is 0 unless an operator sets it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0016_lagging_markets")]

    operations = [
        migrations.AlterField(
            model_name="bookmaker",
            name="commission",
            field=models.FloatField(
                blank=True,
                db_default=0.0,
                default=0.0,
                help_text="fraction of net winnings, e.g. 0.05; empty while it is not known, so that no edge is opened on its prices",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="bookmaker",
            constraint=models.CheckConstraint(
                condition=models.Q(commission__isnull=False) | models.Q(kind="exchange"),
                name="bookmaker_only_an_exchange_keeps_an_unknown_part",
                violation_error_message="What a sportsbook keeps is known: enter 0 for nothing.",
            ),
        ),
    ]
