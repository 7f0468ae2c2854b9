"""Opportunities: arbitrages, middles and low-hold covers, as rows of their own."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0021_rename_feedbook_feedbookmaker"),
        ("valuation", "0011_contradicted_edges"),
    ]

    operations = [
        migrations.CreateModel(
            name="Opportunity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("arbitrage", "arbitrage"),
                            ("middle", "middle"),
                            ("low_hold", "low hold"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "quotes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), help_text="the legs' quotes", size=None
                    ),
                ),
                (
                    "bookmakers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(),
                        help_text="the legs' bookmakers",
                        size=None,
                    ),
                ),
                (
                    "prices",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.FloatField(),
                        help_text="decimal odds, or when it closed",
                        size=None,
                    ),
                ),
                (
                    "parts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.FloatField(),
                        help_text="to risk on each leg, of the total: a stake, or the liability of a lay",
                        size=None,
                    ),
                ),
                ("booksum", models.FloatField(help_text="sum of 1/odds, net of commission")),
                ("profit", models.FloatField(help_text="where one leg wins, of the total")),
                ("worst", models.FloatField(help_text="profit at the worst result")),
                ("best", models.FloatField(help_text="profit at the best result")),
                (
                    "gap",
                    models.FloatField(
                        blank=True, help_text="between the points of a middle", null=True
                    ),
                ),
                (
                    "break_even",
                    models.FloatField(
                        blank=True,
                        help_text="chance of the best result at which a middle pays",
                        null=True,
                    ),
                ),
                (
                    "in_play",
                    models.BooleanField(
                        help_text="whether the event had started when it was valued"
                    ),
                ),
                (
                    "version",
                    models.BigIntegerField(
                        help_text="the market version it was last computed from"
                    ),
                ),
                ("opened_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "close_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("gone", "the price or the fair price moved"),
                            ("suspended", "the quote was suspended"),
                            ("quarantined", "the quote's provider, or bookmaker, went unheard"),
                            ("stale", "the quote is no longer confirmed"),
                            ("no_fair_value", "the consensus no longer meets the rules"),
                            ("event_ended", "the event ended"),
                        ],
                        db_default="",
                        default="",
                        max_length=16,
                    ),
                ),
                (
                    "market",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="opportunities",
                        to="betting.market",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "opportunities",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("closed_at__isnull", False)),
                        fields=["closed_at"],
                        name="opportunity_closed",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("market", "kind", "quotes"),
                        name="opportunity_one_open_per_legs",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["arbitrage", "middle", "low_hold"])),
                        name="opportunity_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("bookmakers__len", models.F("quotes__len")),
                            ("parts__len", models.F("quotes__len")),
                            ("prices__len", models.F("quotes__len")),
                            ("quotes__len__gte", 2),
                        ),
                        name="opportunity_legs_are_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("break_even__isnull", False),
                                ("gap__isnull", False),
                                ("kind", "middle"),
                            ),
                            models.Q(
                                models.Q(("kind", "middle"), _negated=True),
                                ("break_even__isnull", True),
                                ("gap__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="opportunity_only_a_middle_has_a_gap",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                models.Q(("kind", "arbitrage"), _negated=True),
                                models.Q(("kind", "low_hold"), _negated=True),
                            ),
                            models.Q(("kind", "arbitrage"), ("profit__gt", 0)),
                            models.Q(("kind", "low_hold"), ("profit__lte", 0)),
                            _connector="OR",
                        ),
                        name="opportunity_profit_fits_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("worst__lte", models.F("best"))),
                        name="opportunity_worst_not_above_best",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("close_reason", ""), ("closed_at__isnull", True)),
                            models.Q(
                                ("closed_at__isnull", False),
                                models.Q(("close_reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="opportunity_closed_with_reason",
                    ),
                ],
            },
        ),
        # Room for updates in place, as edges have it.
        migrations.RunSQL(
            "ALTER TABLE valuation_opportunity SET (fillfactor = 70)", migrations.RunSQL.noop
        ),
    ]
