"""Captured baselines."""

from __future__ import annotations

from django.contrib import admin

from betting.admin_base.read_only import FactAdmin
from streaming.models import BaselineSnapshot


@admin.register(BaselineSnapshot)
class BaselineSnapshotAdmin(FactAdmin):
    """One row for every baseline that was captured, newest first."""

    list_display = ("captured_at", "label", "seconds", "schema")
    search_fields = ("label",)
