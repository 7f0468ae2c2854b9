"""Add the quarantine of quotes, by generations of their provider."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0003_room_for_updates")]

    operations = [
        migrations.RemoveConstraint(
            model_name="linechange",
            name="line_change_kind_known",
        ),
        migrations.RemoveConstraint(
            model_name="linechange",
            name="line_change_prices_fit_kind",
        ),
        migrations.RemoveIndex(
            model_name="quote",
            name="quote_feed_active",
        ),
        migrations.AddField(
            model_name="feed",
            name="generation",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="the provider's when a complete answer was last ingested; below it, the feed's quotes are quarantined",
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="generation",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="raised when its circuit opens: what was admitted before is not trusted",
            ),
        ),
        migrations.AlterField(
            model_name="linechange",
            name="kind",
            field=models.CharField(
                choices=[
                    ("opened", "opened"),
                    ("price", "price moved"),
                    ("point", "point moved"),
                    ("suspended", "suspended"),
                    ("resumed", "resumed"),
                    ("ended", "event ended"),
                    ("quarantined", "quarantined"),
                ],
                max_length=11,
            ),
        ),
        migrations.AddIndex(
            model_name="quote",
            index=models.Index(
                condition=models.Q(("status", "suspended"), _negated=True),
                fields=["feed"],
                name="quote_feed_listed",
            ),
        ),
        migrations.AddConstraint(
            model_name="linechange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "opened",
                            "price",
                            "point",
                            "suspended",
                            "resumed",
                            "ended",
                            "quarantined",
                        ],
                    )
                ),
                name="line_change_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="linechange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind", "opened"),
                        ("new_price__isnull", False),
                        ("old_price__isnull", True),
                    ),
                    models.Q(
                        ("kind__in", ["price", "point", "resumed"]),
                        ("new_price__isnull", False),
                        ("old_price__isnull", False),
                    ),
                    models.Q(
                        ("kind__in", ["suspended", "ended", "quarantined"]),
                        ("new_price__isnull", True),
                        ("old_price__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="line_change_prices_fit_kind",
            ),
        ),
    ]
