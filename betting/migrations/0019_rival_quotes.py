"""Add the prices that a feed says of another provider's quotes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0018_doubts_about_competitions")]

    operations = [
        migrations.CreateModel(
            name="RivalQuote",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("price", models.FloatField(help_text="decimal odds")),
                (
                    "looked_at",
                    models.DateTimeField(
                        help_text="when its provider looked: first at this price, or first since"
                        " the quote changed"
                    ),
                ),
                (
                    "feed",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="betting.feed",
                    ),
                ),
                (
                    "market",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="betting.market",
                    ),
                ),
                (
                    "quote",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rivals",
                        to="betting.quote",
                    ),
                ),
            ],
            options={
                "ordering": ["quote", "id"],
                "indexes": [models.Index(fields=["feed"], name="rival_quote_feed")],
                "constraints": [
                    models.UniqueConstraint(fields=("quote", "feed"), name="rival_quote_unique"),
                    models.CheckConstraint(
                        condition=models.Q(("price__gt", 1), ("price__lte", 1000000.0)),
                        name="rival_quote_price_is_decimal_odds",
                    ),
                ],
            },
        ),
    ]
