"""Where everything is on the web."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from streaming import health_views
from streaming.admin import health_page

admin.autodiscover()

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/streaming/health/", admin.site.admin_view(health_page.page), name="health_page"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("betting.api.urls")),
    path("health/live", health_views.live, name="health_live"),
    path("health/ready", health_views.ready, name="health_ready"),
    path("health/", health_views.health, name="health"),
    path("metrics", health_views.metrics, name="metrics"),
]
