from django.db import migrations

# One that waited for a person is tried again after a day, as those that open from now on are.
RETRY = """
UPDATE streaming_circuit SET retry_at = COALESCE(since, now()) + interval '1 day'
WHERE state = 'open' AND mode <> 'forced_open' AND retry_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("streaming", "0011_feed_circuits"),
    ]

    operations = [
        migrations.RunSQL(RETRY, migrations.RunSQL.noop),
    ]
