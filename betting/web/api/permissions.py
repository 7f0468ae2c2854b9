"""Reading and operating are two things: any user reads, staff with the permission operate."""

from __future__ import annotations

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class Operator(BasePermission):
    """Allows what is safe, and the rest to staff who may change the model, as in the admin."""

    permission = ""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 - the framework's signature
        """Whether the request may be made."""
        if request.method in SAFE_METHODS:
            return True
        user = request.user
        return bool(user.is_staff) and user.has_perm(self.permission)


class CircuitOperator(Operator):
    """May overrule circuits."""

    permission = "streaming.change_circuit"


class LetterOperator(Operator):
    """May replay and discard dead letters."""

    permission = "streaming.change_deadletter"
