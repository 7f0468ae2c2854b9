import django.contrib.postgres.fields
from django.db import migrations, models

import streaming.models.subscriber

# Counts of other buckets cannot be told apart anew: they begin again.
FORGET = "UPDATE streaming_subscriberrecord SET latencies = array_fill(0::bigint, ARRAY[13])"
FORGET_AGAIN = "UPDATE streaming_subscriberrecord SET latencies = array_fill(0::bigint, ARRAY[34])"


class Migration(migrations.Migration):
    """Deliveries are counted in the buckets of all other latencies, 13 instead of 34."""

    dependencies = [
        ("streaming", "0009_circuit_pause"),
    ]

    operations = [
        migrations.RunSQL(FORGET, FORGET_AGAIN),
        migrations.AlterField(
            model_name="subscriberrecord",
            name="latencies",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                default=streaming.models.subscriber.no_latencies,
                help_text="deliveries by duration: streaming.core.histogram",
                size=13,
            ),
        ),
    ]
