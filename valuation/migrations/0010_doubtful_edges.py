"""Nothing is advised on an edge that is too good to be true or of an outlier."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0018_doubts_about_competitions"),
        ("valuation", "0009_exchanges_by_key"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="edge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("advised", 0),
                    models.Q(("warnings__overlap", ["outlier", "suspicious"]), _negated=True),
                    _connector="OR",
                ),
                name="edge_doubtful_without_advice",
            ),
        ),
    ]
