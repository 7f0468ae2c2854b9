from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streaming", "0008_baseline_snapshots"),
    ]

    operations = [
        migrations.AddField(
            model_name="circuit",
            name="pause_until",
            field=models.DateTimeField(
                blank=True,
                help_text="before then the provider does not want to be asked",
                null=True,
            ),
        ),
    ]
