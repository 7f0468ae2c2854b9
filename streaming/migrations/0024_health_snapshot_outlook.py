from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streaming", "0023_poll_runs_in_partitions"),
    ]

    operations = [
        migrations.AddField(
            model_name="healthsnapshot",
            name="outlook",
            field=models.JSONField(
                blank=True,
                help_text="the score weighted by consequence, burn rates, and when resources run "
                "out; nothing acts upon it",
                null=True,
            ),
        ),
    ]
