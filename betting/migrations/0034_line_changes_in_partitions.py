"""Line changes are partitioned by the time that they were recorded at.

From the day on that ends the first partition, the database refuses deletions of partitioned tables
by `ctid`, as the release before makes them for its retention: a place in one partition is also one
in the others.
"""

from typing import ClassVar

from django.db import migrations

from betting.db.partitioning import PartitionByTime

CREATE = """
CREATE OR REPLACE FUNCTION betting_refuse_ctid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF statement_timestamp() >= TG_ARGV[0]::timestamptz
       AND current_query() ~* '\\mctid\\s+IN\\M' THEN
        RAISE EXCEPTION '% has partitions, of which ctid does not tell the rows apart', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation', HINT = 'Upgrade the workers.';
    END IF;
    RETURN NULL;
END $$;
"""
DROP = "DROP FUNCTION IF EXISTS betting_refuse_ctid()"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("betting", "0033_price_groups")]
    allowed: ClassVar[dict[str, str]] = {
        "RunSQL": "a function that nothing calls yet",
        "PartitionByTime": "it rewrites nothing, waits half a second for its lock at a time, holds"
        " it for a fraction of a second, and older code finds the same columns under the same name",
    }

    operations = [
        migrations.RunSQL(CREATE, DROP),
        PartitionByTime("betting_linechange", "recorded_at"),
    ]
