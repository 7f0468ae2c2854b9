"""Track the silence of each bookmaker of a feed, not only of the whole feed."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0004_quarantine")]

    operations = [
        migrations.CreateModel(
            name="FeedBook",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("confirmed_at", models.DateTimeField()),
                (
                    "expires_at",
                    models.DateTimeField(
                        help_text="unless it is confirmed before, its quotes are quarantined then"
                    ),
                ),
                (
                    "silent_since",
                    models.DateTimeField(
                        blank=True, help_text="when they were; empty while it is heard", null=True
                    ),
                ),
                (
                    "gaps",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(),
                        blank=True,
                        db_default=[],
                        default=list,
                        help_text="histogram of its completed gaps, see streaming.core.staleness",
                        size=None,
                    ),
                ),
            ],
            options={
                "ordering": ["feed", "bookmaker"],
            },
        ),
        migrations.RemoveField(
            model_name="feed",
            name="stale_since",
        ),
        migrations.AlterField(
            model_name="provider",
            name="stale_after_seconds",
            field=models.FloatField(
                db_default=120.0,
                default=120.0,
                help_text="the least silence after which quotes are quarantined; a bookmaker's own limit is learnt and may be longer",
            ),
        ),
        migrations.AddField(
            model_name="feedbook",
            name="bookmaker",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, to="betting.bookmaker"
            ),
        ),
        migrations.AddField(
            model_name="feedbook",
            name="feed",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="books",
                to="betting.feed",
            ),
        ),
        migrations.AddIndex(
            model_name="feedbook",
            index=models.Index(
                condition=models.Q(("silent_since__isnull", True)),
                fields=["expires_at"],
                name="feed_book_expiry",
            ),
        ),
        migrations.AddConstraint(
            model_name="feedbook",
            constraint=models.UniqueConstraint(
                fields=("feed", "bookmaker"), name="feed_book_unique"
            ),
        ),
    ]
