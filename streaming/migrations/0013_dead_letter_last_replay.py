from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streaming", "0012_retry_waiting_circuits"),
    ]

    operations = [
        migrations.AddField(
            model_name="deadletter",
            name="feed",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="of the provider", max_length=2000
            ),
        ),
        migrations.AddField(
            model_name="deadletteraction",
            name="error",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="what a replay failed of",
                max_length=500,
            ),
        ),
    ]
