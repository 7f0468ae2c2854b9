"""Recompute runs are partitioned by the time that they finished at."""

from typing import ClassVar

from django.db import migrations

from betting.db.partitioning import PartitionByTime


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("betting", "0034_line_changes_in_partitions"),
        ("valuation", "0019_settlements"),
    ]
    allowed: ClassVar[dict[str, str]] = {"PartitionByTime": "as that of line changes"}

    operations = [PartitionByTime("valuation_recomputerun", "finished_at")]
