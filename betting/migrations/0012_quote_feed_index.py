"""Index quotes by feed, so that deleting a feed does not read all quotes. Built concurrently."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

NO_LIMIT, USUAL_LIMIT = "SET statement_timeout = 0", "RESET statement_timeout"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("betting", "0011_quote_references")]

    operations = [
        migrations.RunSQL(NO_LIMIT, USUAL_LIMIT),
        AddIndexConcurrently(
            model_name="quote",
            index=models.Index(fields=["feed"], name="quote_feed"),
        ),
        migrations.RunSQL(USUAL_LIMIT, NO_LIMIT),
    ]
