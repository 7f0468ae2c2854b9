"""Add a provider's allowance, and the interval to which its polls are slowed down for it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0005_feed_books")]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="paced_interval_seconds",
            field=models.FloatField(
                blank=True,
                help_text="slowed down to this, so that the credits last; empty while they do anyway",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="quota_poll_cost",
            field=models.FloatField(
                blank=True, help_text="credits that the last whole poll cost", null=True
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="quota_resets_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
