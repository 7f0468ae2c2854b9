"""The addresses of the health view."""

from __future__ import annotations

from django.urls import path

from streaming.admin.operations import views

urlpatterns = [
    path("", views.page, name="health_page"),
    path("now/", views.now_part, name="health_now"),
    path("history/", views.history_part, name="health_history"),
    path("providers/<int:provider_id>/poll/", views.poll_now, name="health_poll"),
    path("providers/<int:provider_id>/<slug:name>/", views.command, name="health_command"),
    path("feeds/<int:circuit_id>/reset/", views.reset_feed, name="health_reset_feed"),
]
