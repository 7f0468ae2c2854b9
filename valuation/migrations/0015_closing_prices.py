"""Closing prices: of each outcome the last fair price before the start, and of each quote."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0026_event_closed_for"),
        ("valuation", "0014_edges_by_value"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClosingPrice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("closes_at", models.DateTimeField(help_text="the event's start")),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("probability", models.FloatField(blank=True, null=True)),
                (
                    "priced_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="the moment that was valued: the start, or just before prices were taken off",
                        null=True,
                    ),
                ),
                ("method", models.CharField(max_length=16)),
                ("books", models.IntegerField(help_text="bookmakers in the consensus")),
                (
                    "version",
                    models.BigIntegerField(help_text="the market version when it was taken"),
                ),
                ("taken_at", models.DateTimeField()),
                (
                    "market",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="closing_prices",
                        to="betting.market",
                    ),
                ),
                (
                    "outcome",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="closing_price",
                        to="betting.outcome",
                    ),
                ),
            ],
            options={
                "ordering": ["market", "outcome"],
                "indexes": [models.Index(fields=["taken_at"], name="closing_price_taken")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("priced_at__isnull", False),
                                ("probability__isnull", False),
                                ("reason", ""),
                            ),
                            models.Q(
                                ("priced_at__isnull", True),
                                ("probability__isnull", True),
                                models.Q(("reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="closing_price_has_probability_or_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("probability__isnull", True),
                            models.Q(("probability__gt", 0), ("probability__lt", 1)),
                            _connector="OR",
                        ),
                        name="closing_price_probability_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("priced_at__isnull", True),
                            ("priced_at__lte", models.F("closes_at")),
                            _connector="OR",
                        ),
                        name="closing_price_not_after_start",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ClosingQuote",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("closes_at", models.DateTimeField(help_text="the event's start")),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("price", models.FloatField(blank=True, help_text="decimal odds", null=True)),
                (
                    "seen_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="when it was last seen before the start, or taken off",
                        null=True,
                    ),
                ),
                (
                    "version",
                    models.BigIntegerField(help_text="the market version when it was taken"),
                ),
                ("taken_at", models.DateTimeField()),
                (
                    "market",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="closing_quotes",
                        to="betting.market",
                    ),
                ),
                (
                    "quote",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="closing_quote",
                        to="betting.quote",
                    ),
                ),
            ],
            options={
                "ordering": ["market", "quote"],
                "indexes": [models.Index(fields=["taken_at"], name="closing_quote_taken")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("price__isnull", False), ("reason", ""), ("seen_at__isnull", False)
                            ),
                            models.Q(
                                ("price__isnull", True),
                                ("seen_at__isnull", True),
                                models.Q(("reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="closing_quote_has_price_or_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("price__isnull", True),
                            models.Q(("price__gt", 1), ("price__lte", 1000000.0)),
                            _connector="OR",
                        ),
                        name="closing_quote_price_is_decimal_odds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("seen_at__isnull", True),
                            ("seen_at__lte", models.F("closes_at")),
                            _connector="OR",
                        ),
                        name="closing_quote_not_after_start",
                    ),
                ],
            },
        ),
    ]
