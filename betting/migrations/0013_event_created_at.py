"""Add the time at which an event was created; existing events get the time of the migration."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0012_quote_feed_index")]

    operations = [
        migrations.AddField(
            model_name="event",
            name="created_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                editable=False,
                help_text="when it was first met, however old its start",
            ),
        ),
    ]
