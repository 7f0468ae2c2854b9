"""Events know the start that their closing prices were taken at."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0025_polls_that_saw_a_price")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="closed_for",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="the start that its closing prices were taken at; empty until then",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("closed_for__isnull", True)),
                fields=["commence_time", "id"],
                name="event_unclosed",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(
                    ("closed_for__lt", models.F("commence_time")),
                    ("closed_for__gt", models.F("commence_time")),
                    _connector="OR",
                ),
                fields=["id"],
                name="event_start_moved",
            ),
        ),
    ]
