"""Add a number that rises with every change that makes cached names wrong.

Workers cache which event a provider's id stands for and how that event writes its names. They read
this number in a statement that every ingest makes anyway, and clear the cache when it has risen.
It is a row, not a sequence: it must not become visible before the change itself.
"""

from django.db import migrations

CREATE = """
CREATE TABLE betting_names_epoch (
    value bigint NOT NULL,
    is_only boolean NOT NULL DEFAULT true
        CONSTRAINT names_epoch_one_row PRIMARY KEY CONSTRAINT names_epoch_is_only CHECK (is_only)
);
INSERT INTO betting_names_epoch (value) VALUES (1);

CREATE FUNCTION betting_names_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE betting_names_epoch SET value = value + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER betting_eventalias_changed
    AFTER UPDATE OR DELETE ON betting_eventalias
    FOR EACH STATEMENT EXECUTE FUNCTION betting_names_changed();
CREATE TRIGGER betting_participantalias_changed
    AFTER INSERT OR UPDATE OR DELETE ON betting_participantalias
    FOR EACH STATEMENT EXECUTE FUNCTION betting_names_changed();

-- An event of one provider bears that provider's names, which nobody has to translate.
CREATE FUNCTION betting_event_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM betting_eventalias WHERE event_id = NEW.id) > 1 THEN
        UPDATE betting_names_epoch SET value = value + 1;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER betting_event_renamed
    AFTER UPDATE OF home, away ON betting_event
    FOR EACH ROW WHEN ((OLD.home, OLD.away) IS DISTINCT FROM (NEW.home, NEW.away))
    EXECUTE FUNCTION betting_event_renamed();
"""
DROP = """
DROP TRIGGER betting_event_renamed ON betting_event;
DROP FUNCTION betting_event_renamed();
DROP TRIGGER betting_participantalias_changed ON betting_participantalias;
DROP TRIGGER betting_eventalias_changed ON betting_eventalias;
DROP FUNCTION betting_names_changed();
DROP TABLE betting_names_epoch;
"""


class Migration(migrations.Migration):
    dependencies = [("betting", "0008_doubtful_match")]

    operations = [migrations.RunSQL(CREATE, DROP)]
