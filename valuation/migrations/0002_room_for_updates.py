"""Leave room in the pages of fair prices and edges, which every recompute rewrites in place."""

from django.db import migrations

SET = """
ALTER TABLE valuation_fairprice SET (fillfactor = 50);
ALTER TABLE valuation_edge SET (fillfactor = 70);
"""
RESET = """
ALTER TABLE valuation_fairprice RESET (fillfactor);
ALTER TABLE valuation_edge RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("valuation", "0001_initial")]

    operations = [migrations.RunSQL(SET, RESET)]
