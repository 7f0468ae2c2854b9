from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0013_event_created_at"),
        ("streaming", "0013_dead_letter_last_replay"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="pollrun",
            name="poll_run_outcome_known",
        ),
        migrations.AddField(
            model_name="pollrun",
            name="left_out",
            field=models.IntegerField(
                db_default=0, default=0, help_text="records of the answer that could not be read"
            ),
        ),
        migrations.AddField(
            model_name="pollrun",
            name="left_out_reasons",
            field=models.JSONField(
                db_default=[],
                default=list,
                help_text="one object a reason: its count, and the place and message of the first record",
            ),
        ),
        migrations.AddField(
            model_name="pollrun",
            name="texts_cleaned",
            field=models.IntegerField(
                db_default=0,
                default=0,
                help_text="texts from which control and direction characters were removed",
            ),
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
                    ("page", "a page, before the last"),
                    ("failed", "failed"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="pollrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "outcome__in",
                        ["ok", "superseded", "held", "repeated", "refused", "page", "failed"],
                    )
                ),
                name="poll_run_outcome_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="pollrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("left_out", 0), ("left_out_reasons", [])),
                    models.Q(
                        ("left_out__gt", 0), models.Q(("left_out_reasons", []), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="poll_run_left_out_is_told",
            ),
        ),
    ]
