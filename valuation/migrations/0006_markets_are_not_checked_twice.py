"""The market of a fair price and of an edge repeats what outcome and quote say already."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0011_quote_references"),
        ("valuation", "0005_latency_histogram"),
    ]

    operations = [
        migrations.AlterField(
            model_name="fairprice",
            name="market",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="fair_prices",
                to="betting.market",
            ),
        ),
        migrations.AlterField(
            model_name="edge",
            name="market",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="edges",
                to="betting.market",
            ),
        ),
    ]
