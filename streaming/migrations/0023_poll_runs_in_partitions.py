"""Poll runs are partitioned by the time that they started at."""

from typing import ClassVar

from django.db import migrations

from betting.db.partitioning import PartitionByTime


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("betting", "0034_line_changes_in_partitions"),
        ("streaming", "0022_poll_plans"),
    ]
    allowed: ClassVar[dict[str, str]] = {
        "PartitionByTime": "as that of line changes; the lock of the providers is as short",
    }

    operations = [PartitionByTime("streaming_pollrun", "started_at")]
