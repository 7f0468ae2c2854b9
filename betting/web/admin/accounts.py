"""The accounts that may log in: Django's users and groups in the admin's theme."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from rest_framework.authtoken.admin import (
    TokenAdmin,  # noqa: F401 - registers what is unregistered here
)
from rest_framework.authtoken.models import TokenProxy
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from betting.admin_base.unfold_types import ThemedAdmin
from betting.web.login import AdminLoginForm

# Its pages would show every user's token to anyone who may see the list.
admin.site.unregister([User, Group, TokenProxy])


@admin.register(User)
class AccountAdmin(UserAdmin, ThemedAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Operators' accounts."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class RoleAdmin(GroupAdmin, ThemedAdmin):
    """Permissions that several accounts share."""


admin.site.login_form = AdminLoginForm
