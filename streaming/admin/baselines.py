"""Admin of captured baselines."""

from __future__ import annotations

from django.contrib import admin

from betting.admin_base.read_only import FactAdmin
from streaming.models import BaselineSnapshot


@admin.register(BaselineSnapshot)
class BaselineSnapshotAdmin(FactAdmin):
    """One row for each captured baseline, newest first."""

    list_display = ("captured_at", "label", "seconds", "schema")
    search_fields = ("label",)
