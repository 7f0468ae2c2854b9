"""The closing line value of edges."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0026_event_closed_for"),
        ("valuation", "0015_closing_prices"),
    ]

    operations = [
        migrations.CreateModel(
            name="EdgeClosing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("closes_at", models.DateTimeField(help_text="the event's start")),
                ("probability", models.FloatField(help_text="that the bet wins, by the close")),
                ("books", models.IntegerField(help_text="bookmakers in that consensus")),
                (
                    "by_others",
                    models.BooleanField(help_text="whether it leaves the edge's bookmaker out"),
                ),
                ("opened_ev", models.FloatField(help_text="expected value when the edge opened")),
                ("opened_clv", models.FloatField(help_text="CLV at the opening price")),
                (
                    "best_price",
                    models.FloatField(
                        help_text="the best while the edge was open, before the start"
                    ),
                ),
                ("best_clv", models.FloatField(help_text="CLV at the best price")),
                ("anchor_probability", models.FloatField(blank=True, null=True)),
                ("anchor_opened_clv", models.FloatField(blank=True, null=True)),
                ("anchor_best_clv", models.FloatField(blank=True, null=True)),
                (
                    "ahead_seconds",
                    models.FloatField(help_text="from when the edge opened to the start"),
                ),
                (
                    "open_seconds",
                    models.FloatField(
                        help_text="from when the edge opened until it closed, or to the start"
                    ),
                ),
                (
                    "version",
                    models.BigIntegerField(help_text="the market version when it was taken"),
                ),
                ("taken_at", models.DateTimeField()),
                (
                    "anchor",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="a sharp bookmaker whose own close judges as well",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="betting.bookmaker",
                    ),
                ),
                (
                    "edge",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="closing",
                        to="valuation.edge",
                    ),
                ),
                (
                    "market",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="edge_closings",
                        to="betting.market",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["taken_at"], name="edge_closing_taken")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("probability__gt", 0), ("probability__lt", 1)),
                        name="edge_closing_probability_in_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("best_clv__gte", models.F("opened_clv"))),
                        name="edge_closing_best_not_below_opening",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("anchor__isnull", True),
                                ("anchor_best_clv__isnull", True),
                                ("anchor_opened_clv__isnull", True),
                                ("anchor_probability__isnull", True),
                            ),
                            models.Q(
                                ("anchor__isnull", False),
                                ("anchor_best_clv__isnull", False),
                                ("anchor_opened_clv__isnull", False),
                                ("anchor_probability__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="edge_closing_anchor_is_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ahead_seconds__gt", 0), ("open_seconds__gte", 0)),
                        name="edge_closing_opened_before_start",
                    ),
                ],
            },
        ),
    ]
