from django.db import migrations, models

CALL_REPLAYED = "UPDATE streaming_deadletter SET status = 'replayed' WHERE status = 'healed'"


class Migration(migrations.Migration):
    dependencies = [
        ("streaming", "0019_alert_resent_at"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="deadletter", name="dead_letter_status_known"),
        migrations.AlterField(
            model_name="deadletter",
            name="status",
            field=models.CharField(
                choices=[
                    ("new", "new"),
                    ("replaying", "being replayed"),
                    ("replayed", "replayed"),
                    ("healed", "healed"),
                    ("discarded", "discarded"),
                ],
                db_default="new",
                default="new",
                max_length=9,
            ),
        ),
        migrations.AddConstraint(
            model_name="deadletter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    status__in=["new", "replaying", "replayed", "healed", "discarded"]
                ),
                name="dead_letter_status_known",
            ),
        ),
        # The only step that has work to do on the way back, where it comes first.
        migrations.RunSQL(migrations.RunSQL.noop, CALL_REPLAYED),
    ]
