"""The URLs of the web server."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from betting.web import clv_page, documents
from streaming.health import views

admin.autodiscover()
admin.site.index_template = "streaming/operations/index.html"

handler400 = "betting.web.errors.bad_request"
handler403 = "betting.web.errors.forbidden"
handler404 = "betting.web.errors.not_found"
handler500 = "betting.web.errors.failed"

urlpatterns = [
    path("", include("betting.web.board.urls")),
    path("admin/streaming/health/", include("streaming.admin.operations.urls")),
    path("admin/clv/", admin.site.admin_view(clv_page.page), name="clv_page"),
    path("admin/docs/<path:name>", admin.site.admin_view(documents.page), name="document"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("betting.web.api.urls")),
    path("health/live", views.live, name="health_live"),
    path("health/ready", views.ready, name="health_ready"),
    path("health/", views.health, name="health"),
    path("metrics", views.metrics, name="metrics"),
]
