"""Leave room in the pages of tables whose rows are updated often.

A price or version that changes is then rewritten on its own page, without touching any index
that does not hold the changed column.
"""

from django.db import migrations

SET = """
ALTER TABLE betting_quote SET (fillfactor = 50);
ALTER TABLE betting_market SET (fillfactor = 60);
ALTER TABLE betting_feed SET (fillfactor = 50);
"""
RESET = """
ALTER TABLE betting_quote RESET (fillfactor);
ALTER TABLE betting_market RESET (fillfactor);
ALTER TABLE betting_feed RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("betting", "0002_line_change_append_only")]

    operations = [migrations.RunSQL(SET, RESET)]
