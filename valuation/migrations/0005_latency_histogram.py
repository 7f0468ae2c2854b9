"""A recompute keeps its latencies as counts that add up."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("valuation", "0004_edges_of_a_stream"),
    ]

    operations = [
        migrations.AddField(
            model_name="recomputerun",
            name="latency_counts",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.IntegerField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="markets by that latency, in the buckets of streaming.core.histogram; empty where none was valued",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="recomputerun",
            name="latency_ms_sum",
            field=models.FloatField(db_default=0.0, default=0.0),
        ),
    ]
