from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streaming", "0015_wording"),
    ]

    operations = [
        migrations.AddField(
            model_name="healthsnapshot",
            name="edges_open",
            field=models.IntegerField(
                blank=True,
                help_text="edges that nothing had closed, stale ones included",
                null=True,
            ),
        ),
    ]
