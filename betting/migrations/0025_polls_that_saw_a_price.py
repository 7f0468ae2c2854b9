"""Remember the newest looks at a bookmaker, which tell how many polls have seen a price."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("betting", "0024_changes_are_not_checked_twice"),
    ]

    operations = [
        migrations.AddField(
            model_name="feedbookmaker",
            name="polled_ats",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DateTimeField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="arrivals of the newest complete answers in which the provider had looked again",
                size=None,
            ),
        ),
        migrations.AddConstraint(
            model_name="feedbookmaker",
            constraint=models.CheckConstraint(
                condition=models.Q(("polled_ats__len__lt", 10)), name="feed_book_polls_are_bounded"
            ),
        ),
    ]
