"""Each provider gets a circuit, and a history of it."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0006_provider_allowance"), ("streaming", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Circuit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
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
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("automatic", "automatic"),
                            ("forced_open", "forced open"),
                            ("forced_closed", "forced closed"),
                            ("disabled", "disabled"),
                        ],
                        db_default="automatic",
                        default="automatic",
                        max_length=13,
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
                        help_text="the latest calls, newest last: . good, s slow, f failed",
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
                    models.DateTimeField(
                        blank=True,
                        help_text="the next probe; empty when a person has to act first",
                        null=True,
                    ),
                ),
                (
                    "probe",
                    models.BigIntegerField(
                        db_default=0, default=0, help_text="number of the newest probe"
                    ),
                ),
                (
                    "probe_until",
                    models.DateTimeField(blank=True, help_text="end of its lease", null=True),
                ),
                (
                    "successes",
                    models.IntegerField(db_default=0, default=0, help_text="probes in a row"),
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
                    "version",
                    models.BigIntegerField(
                        db_default=0,
                        default=0,
                        help_text="raised by every write, so that a claim is made once",
                    ),
                ),
                ("open_after_failures", models.PositiveIntegerField(blank=True, null=True)),
                ("failure_rate", models.FloatField(blank=True, null=True)),
                ("slow_call_rate", models.FloatField(blank=True, null=True)),
                ("slow_call_seconds", models.FloatField(blank=True, null=True)),
                ("window_calls", models.PositiveIntegerField(blank=True, null=True)),
                ("min_calls", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "backoff_seconds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.FloatField(), blank=True, null=True, size=None
                    ),
                ),
                ("jitter_fraction", models.FloatField(blank=True, null=True)),
                ("close_after_successes", models.PositiveIntegerField(blank=True, null=True)),
                ("forget_after_seconds", models.FloatField(blank=True, null=True)),
                ("probe_lease_seconds", models.FloatField(blank=True, null=True)),
            ],
            options={
                "ordering": ["provider"],
            },
        ),
        migrations.CreateModel(
            name="CircuitTransition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "recorded_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "from_state",
                    models.CharField(
                        choices=[
                            ("closed", "closed"),
                            ("open", "open"),
                            ("half_open", "half-open"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "to_state",
                    models.CharField(
                        choices=[
                            ("closed", "closed"),
                            ("open", "open"),
                            ("half_open", "half-open"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("automatic", "automatic"),
                            ("forced_open", "forced open"),
                            ("forced_closed", "forced closed"),
                            ("disabled", "disabled"),
                        ],
                        max_length=13,
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("advice", models.CharField(blank=True, db_default="", max_length=500)),
                ("retry_at", models.DateTimeField(blank=True, null=True)),
                (
                    "actor",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="who; empty when the calls decided",
                        max_length=150,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="circuit",
            name="provider",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="circuit",
                to="betting.provider",
            ),
        ),
        migrations.AddField(
            model_name="circuittransition",
            name="provider",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="transitions",
                to="betting.provider",
            ),
        ),
        migrations.AddConstraint(
            model_name="circuit",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["closed", "open", "half_open"])),
                name="circuit_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="circuit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("mode__in", ["automatic", "forced_open", "forced_closed", "disabled"])
                ),
                name="circuit_mode_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="circuit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("probe_until__isnull", True), ("state", "half_open"), _connector="OR"
                ),
                name="circuit_probes_while_half_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="circuit",
            constraint=models.CheckConstraint(
                condition=models.Q(("retry_at__isnull", True), ("state", "open"), _connector="OR"),
                name="circuit_retries_while_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="circuit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("failure_rate__isnull", True),
                        ("failure_rate__range", (0, 1)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("slow_call_rate__isnull", True),
                        ("slow_call_rate__range", (0, 1)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("jitter_fraction__isnull", True),
                        ("jitter_fraction__range", (0, 1)),
                        _connector="OR",
                    ),
                ),
                name="circuit_rates_are_fractions",
            ),
        ),
        migrations.AddIndex(
            model_name="circuittransition",
            index=models.Index(fields=["provider", "-id"], name="circuit_transition_provider"),
        ),
        migrations.AddIndex(
            model_name="circuittransition",
            index=models.Index(fields=["recorded_at"], name="circuit_transition_recorded"),
        ),
        migrations.AddConstraint(
            model_name="circuittransition",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="circuit_transition_has_a_reason",
            ),
        ),
    ]
