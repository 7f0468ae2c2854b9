"""A line change is written with its quote: nothing checks the reference a second time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0023_quotes_keep_their_history")]

    operations = [
        migrations.AlterField(
            model_name="linechange",
            name="quote",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=models.CASCADE,
                related_name="changes",
                to="betting.quote",
            ),
        )
    ]
