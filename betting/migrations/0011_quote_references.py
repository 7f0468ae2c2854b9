"""Drop the check of quotes' market: it repeats that of their outcome, and deletes read all quotes."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("betting", "0010_major_moves_of_a_stream")]

    operations = [
        migrations.AlterField(
            model_name="quote",
            name="market",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="quotes",
                to="betting.market",
            ),
        ),
    ]
