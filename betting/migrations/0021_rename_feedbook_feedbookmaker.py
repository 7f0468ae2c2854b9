"""Rename a model, whose table stays: a *book* is also an exchange's order book."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("betting", "0020_wording")]
    operations = [
        # First: a model whose table has a name of its own keeps it when it is renamed.
        migrations.AlterModelTable(name="FeedBook", table="betting_feedbook"),
        migrations.RenameModel(old_name="FeedBook", new_name="FeedBookmaker"),
    ]
