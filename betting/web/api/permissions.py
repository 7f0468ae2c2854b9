"""Permissions: any user may read all but dead letters, staff with a permission may operate."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class Operator(BasePermission):
    """Safe methods for all users, others for staff who may change the model, as in the admin."""

    permission = ""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - the framework's signature
        """Return True if the user may make the request."""
        user = request.user
        if request.method in SAFE_METHODS:
            return self.may_read(user)
        return bool(user.is_staff) and user.has_perm(self.permission)

    def may_read(self, user: Any) -> bool:  # noqa: ARG002 - of those who may not all read
        """Return True if a user may see the rows."""
        return True


class CircuitOperator(Operator):
    """The permission to overrule circuits."""

    permission = "streaming.change_circuit"


class LetterOperator(Operator):
    """The permissions to see dead letters, and to replay and discard them.

    They hold arguments, tracebacks and operators' names, which are no business of bettors.
    """

    permission = "streaming.change_deadletter"

    def may_read(self, user: Any) -> bool:
        """Return True if a user may see letters; who may change them may, as in the admin."""
        return any(map(user.has_perm, ("streaming.view_deadletter", self.permission)))
