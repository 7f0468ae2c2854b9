"""The web app: pages and resources over the models of the other apps."""

from __future__ import annotations

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The web app. It has no models; as an app its admin pages and templates are found."""

    name = "betting.web"
    label = "betting_web"
