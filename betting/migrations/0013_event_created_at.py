"""When an event was first met. Those that there are already count from now."""

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
