"""Staff who are logged in to the admin."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User
from django.test import Client


def client_of(*permissions: str) -> Client:
    """The browser of ana, who has these permissions and no others."""
    user = User.objects.create_user("ana", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client
