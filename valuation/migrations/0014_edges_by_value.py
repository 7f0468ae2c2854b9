"""Open edges in pages, best first: the order of the index has no two edges in one place."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0022_live_settings"),
        ("valuation", "0013_first_changes"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="edge",
            name="edge_open_ev",
        ),
        migrations.AddIndex(
            model_name="edge",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", True)),
                fields=["-ev", "id"],
                name="edge_best_open",
            ),
        ),
    ]
