"""Rename a model, whose table stays: a *book* is also an exchange's order book."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def rename_permissions(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Keep what accounts may do: Django renames a model's content type, but not its permissions."""
    _rename_permissions(apps, "feedbook", "feedbookmaker", "feed bookmaker")


def restore_permissions(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Give the permissions their former names."""
    _rename_permissions(apps, "feedbookmaker", "feedbook", "feed book")


def _rename_permissions(apps: Apps, old: str, new: str, words: str) -> None:
    permissions = apps.get_model("auth", "Permission").objects
    for action in ("add", "change", "delete", "view"):
        permissions.filter(content_type__app_label="betting", codename=f"{action}_{old}").update(
            codename=f"{action}_{new}", name=f"Can {action} {words}"
        )


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("betting", "0020_wording"),
    ]
    operations = [
        # First: a model whose table has a name of its own keeps it when it is renamed.
        migrations.AlterModelTable(name="FeedBook", table="betting_feedbook"),
        migrations.RenameModel(old_name="FeedBook", new_name="FeedBookmaker"),
        migrations.RunPython(rename_permissions, restore_permissions),
    ]
