"""Nothing is advised on an edge that is gone at the price another provider has."""

from django.db import migrations, models

DOUBTFUL = ["outlier", "suspicious", "contradicted"]


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0019_rival_quotes"),
        ("valuation", "0010_doubtful_edges"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="edge",
            name="edge_doubtful_without_advice",
        ),
        migrations.AddConstraint(
            model_name="edge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("advised", 0),
                    models.Q(("warnings__overlap", DOUBTFUL), _negated=True),
                    _connector="OR",
                ),
                name="edge_doubtful_without_advice",
            ),
        ),
    ]
