"""The database refuses to delete quotes that have a history."""

from django.db import migrations

CREATE = """
CREATE FUNCTION betting_refuse_orphans() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM betting_linechange c JOIN deleted ON deleted.id = c.quote_id) THEN
        RAISE EXCEPTION 'line changes refer to a quote that is deleted'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'line_change_has_quote';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER line_change_has_quote AFTER DELETE ON betting_quote
    REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION betting_refuse_orphans();
"""
DROP = """
DROP TRIGGER line_change_has_quote ON betting_quote;
DROP FUNCTION betting_refuse_orphans();
"""


class Migration(migrations.Migration):
    dependencies = [("betting", "0022_live_settings")]

    operations = [migrations.RunSQL(CREATE, DROP)]
