"""Let each market of a bookmaker age by itself, not only with all the others."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0013_event_created_at")]

    operations = [
        migrations.AddField(
            model_name="feedbook",
            name="lagging_markets",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="ids of the markets that the provider last looked at before the others",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="feedbook",
            name="lagging_ats",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DateTimeField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="when it looked at each of them",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="feedbook",
            name="stale_markets",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="ids of the markets whose prices are too old to be valued",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="feedbook",
            name="next_stale_at",
            field=models.DateTimeField(
                blank=True, help_text="when the next of those that lag becomes too old", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="feedbook",
            index=models.Index(
                condition=models.Q(("next_stale_at__isnull", False)),
                fields=["next_stale_at"],
                name="feed_book_next_stale",
            ),
        ),
        migrations.AddConstraint(
            model_name="feedbook",
            constraint=models.CheckConstraint(
                condition=models.Q(("lagging_markets__len", models.F("lagging_ats__len"))),
                name="feed_book_lagging_markets_have_times",
            ),
        ),
    ]
