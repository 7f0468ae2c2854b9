"""Permissions: any user may read, staff with a model's permission may operate."""

from __future__ import annotations

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class Operator(BasePermission):
    """Safe methods for all users, others for staff who may change the model, as in the admin."""

    permission = ""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - the framework's signature
        """Return True if the user may make the request."""
        if request.method in SAFE_METHODS:
            return True
        user = request.user
        return bool(user.is_staff) and user.has_perm(self.permission)


class CircuitOperator(Operator):
    """The permission to overrule circuits."""

    permission = "streaming.change_circuit"


class LetterOperator(Operator):
    """The permission to replay and discard dead letters."""

    permission = "streaming.change_deadletter"
