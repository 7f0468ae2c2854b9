"""What a circuit may be told: the policy on its row has bounds."""

import django.contrib.postgres.fields
import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0009_names_epoch"),
        ("streaming", "0003_polls_held_and_priced"),
    ]

    operations = [
        migrations.AlterField(
            model_name="circuit",
            name="backoff_seconds",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.FloatField(
                    validators=[
                        django.core.validators.MinValueValidator(0.001),
                        django.core.validators.MaxValueValidator(86400.0),
                    ]
                ),
                blank=True,
                null=True,
                size=None,
            ),
        ),
        migrations.AddConstraint(
            model_name="circuit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("open_after_failures__isnull", True),
                        ("open_after_failures__gt", 0),
                        _connector="OR",
                    ),
                    models.Q(
                        ("window_calls__isnull", True),
                        ("window_calls__range", (1, 1000)),
                        _connector="OR",
                    ),
                    models.Q(("min_calls__isnull", True), ("min_calls__gt", 0), _connector="OR"),
                    models.Q(
                        ("close_after_successes__isnull", True),
                        ("close_after_successes__gt", 0),
                        _connector="OR",
                    ),
                    models.Q(
                        ("slow_call_seconds__isnull", True),
                        models.Q(("slow_call_seconds__gt", 0), ("slow_call_seconds__lte", 86400.0)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("probe_lease_seconds__isnull", True),
                        models.Q(
                            ("probe_lease_seconds__gt", 0), ("probe_lease_seconds__lte", 86400.0)
                        ),
                        _connector="OR",
                    ),
                    models.Q(
                        ("forget_after_seconds__isnull", True),
                        models.Q(
                            ("forget_after_seconds__gte", 0), ("forget_after_seconds__lte", 86400.0)
                        ),
                        _connector="OR",
                    ),
                    models.Q(
                        ("backoff_seconds__isnull", True),
                        ("backoff_seconds__len__gt", 0),
                        _connector="OR",
                    ),
                ),
                name="circuit_policy_makes_sense",
                violation_error_message="Counts and seconds have to be above 0, seconds at most a day, the window at most 1000 calls; there has to be a wait.",
            ),
        ),
        migrations.AlterConstraint(
            model_name="circuit",
            name="circuit_rates_are_fractions",
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
                violation_error_message="Rates and the jitter are fractions from 0 to 1.",
            ),
        ),
    ]
