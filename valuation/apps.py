"""The valuation app."""

from __future__ import annotations

from django.apps import AppConfig


class ValuationConfig(AppConfig):
    """The valuation app: quotes in, fair prices and edges out."""

    name = "valuation"
    default_auto_field = "django.db.models.BigAutoField"
