"""How the whole was every few seconds, and the sums of what was done."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streaming", "0006_subscribers"),
    ]

    operations = [
        migrations.CreateModel(
            name="HealthSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("taken_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pass", "pass"),
                            ("warn", "warn"),
                            ("unknown", "unknown"),
                            ("fail", "fail"),
                        ],
                        max_length=7,
                    ),
                ),
                ("score", models.IntegerField(help_text="0 to 100")),
                (
                    "checks",
                    models.JSONField(
                        default=dict, help_text="check → what was seen, and since when"
                    ),
                ),
                (
                    "workers",
                    models.JSONField(default=dict, help_text="queue → workers that take from it"),
                ),
                (
                    "counted_until",
                    models.DateTimeField(
                        help_text="what ended before this is in the totals; a little earlier than the snapshot, for a row is seen when its transaction commits"
                    ),
                ),
                (
                    "totals",
                    models.JSONField(
                        default=dict, help_text="what was done, since the first snapshot"
                    ),
                ),
                (
                    "hints_dropped",
                    models.BigIntegerField(
                        default=0,
                        help_text="as Redis counted; the totals go on when it starts again",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["taken_at"], name="health_snapshot_taken"),
                    models.Index(fields=["counted_until"], name="health_snapshot_counted"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pass", "warn", "unknown", "fail"])),
                        name="health_snapshot_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("score__range", (0, 100))),
                        name="health_snapshot_score_in_range",
                    ),
                ],
            },
        ),
    ]
