"""A poll can be held back until a complete answer, and says what it cost."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("streaming", "0002_circuits")]

    operations = [
        migrations.RemoveConstraint(
            model_name="pollrun",
            name="poll_run_outcome_known",
        ),
        migrations.AddField(
            model_name="pollrun",
            name="quota_cost",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="pollrun",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("ok", "ingested"),
                    ("superseded", "older than what is known"),
                    ("held", "not before a complete answer"),
                    ("repeated", "same request moments ago"),
                    ("refused", "refused by the circuit"),
                    ("failed", "failed"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="pollrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("outcome__in", ["ok", "superseded", "held", "repeated", "refused", "failed"])
                ),
                name="poll_run_outcome_known",
            ),
        ),
    ]
