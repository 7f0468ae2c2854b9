"""The addresses of the pages for bettors."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from betting.web.board import views

app_name = "board"

urlpatterns = [
    path("", views.board, name="board"),
    path("events/<int:event_id>/", views.event, name="event"),
    path("edges/<int:edge_id>/", views.edge, name="edge"),
    path("history/<int:outcome_id>/", views.price_history, name="history"),
    path("login/", views.BoardLogin.as_view(), name="login"),
    path("logout/", LogoutView.as_view(next_page="board:login"), name="logout"),
]
