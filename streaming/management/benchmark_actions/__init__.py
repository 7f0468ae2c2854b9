"""The actions of `manage.py benchmark`, by name in the order of its help."""

from __future__ import annotations

from streaming.management.benchmark_actions import offline, releases, runs, scaling
from streaming.management.benchmark_actions.base import Action

ACTIONS = {
    action.name: action
    for action in (*runs.ACTIONS, releases.RELEASES, *offline.ACTIONS, *scaling.ACTIONS, runs.TRIAL)
}

__all__ = ["ACTIONS", "Action"]
