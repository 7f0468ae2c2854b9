from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streaming", "0020_letters_that_healed"),
    ]

    operations = [
        migrations.AddField(
            model_name="circuit",
            name="call_history",
            field=models.JSONField(
                blank=True,
                help_text="of the calls, by which the risk of the next ones is assessed",
                null=True,
            ),
        ),
    ]
