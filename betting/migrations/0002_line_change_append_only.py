"""Line history is append-only: the database refuses to rewrite it."""

from django.db import migrations

CREATE = """
CREATE FUNCTION betting_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER betting_linechange_append_only BEFORE UPDATE ON betting_linechange
    FOR EACH STATEMENT EXECUTE FUNCTION betting_refuse_update();
"""
DROP = """
DROP TRIGGER betting_linechange_append_only ON betting_linechange;
DROP FUNCTION betting_refuse_update();
"""


class Migration(migrations.Migration):
    dependencies = [("betting", "0001_initial")]

    operations = [migrations.RunSQL(CREATE, DROP)]
