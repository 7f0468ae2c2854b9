"""Changes of the configuration that operators make while everything runs."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class SettingChange(models.Model):
    """One change of a live setting. The newest of each name is in force; none is ever updated."""

    name = models.CharField(max_length=100, help_text="the environment variable")
    value = models.CharField(
        max_length=200, blank=True, help_text="as in the environment; empty: the environment's own"
    )
    changed_at = models.DateTimeField(db_default=Now())
    changed_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=200, blank=True, db_default="", default="")

    class Meta:
        ordering = ["-id"]
        indexes = [
            # live_settings: the newest change of each name
            models.Index(name="setting_change_newest", fields=["name", "-id"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="setting_change_is_whole", condition=~Q(name="") & ~Q(changed_by="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}={self.value or '(environment)'}"
