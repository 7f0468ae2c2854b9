import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0013_event_created_at"),
        ("streaming", "0010_latencies_as_valuations_are"),
    ]

    operations = [
        migrations.AddField(
            model_name="circuittransition",
            name="feed",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="whose circuit it is; empty for the provider's own",
                max_length=2000,
            ),
        ),
        migrations.AlterField(
            model_name="circuit",
            name="retry_at",
            field=models.DateTimeField(
                blank=True,
                help_text="the next probe; empty while an operator holds it open",
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="FeedCircuit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("feed", models.CharField(help_text="as the key of its `Feed`", max_length=2000)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("closed", "closed"),
                            ("open", "open"),
                            ("half_open", "half-open"),
                        ],
                        db_default="closed",
                        default="closed",
                        max_length=9,
                    ),
                ),
                ("since", models.DateTimeField(blank=True, null=True)),
                ("failures", models.IntegerField(db_default=0, default=0, help_text="in a row")),
                (
                    "recent",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="the latest calls, newest last: . good, f failed",
                        max_length=1000,
                    ),
                ),
                (
                    "step",
                    models.IntegerField(
                        db_default=0, default=0, help_text="openings since the waits began anew"
                    ),
                ),
                (
                    "retry_at",
                    models.DateTimeField(blank=True, help_text="when it is asked again", null=True),
                ),
                (
                    "probe",
                    models.BigIntegerField(
                        db_default=0, default=0, help_text="number of the newest probe"
                    ),
                ),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=500)),
                (
                    "advice",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="what a person has to do",
                        max_length=500,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="feed_circuits",
                        to="betting.provider",
                    ),
                ),
            ],
            options={
                "ordering": ["provider", "feed"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "feed"), name="feed_circuit_unique"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["closed", "open"])),
                        name="feed_circuit_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("retry_at__isnull", False), ("state", "open")),
                            models.Q(("retry_at__isnull", True), ("state", "closed")),
                            _connector="OR",
                        ),
                        name="feed_circuit_retries_while_open",
                    ),
                ],
            },
        ),
    ]
