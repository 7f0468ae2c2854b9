"""Results of the tasks that keep one, read-only and in the admin's theme."""

from __future__ import annotations

from django.contrib import admin
from django_celery_results.admin import GroupResultAdmin, TaskResultAdmin
from django_celery_results.models import GroupResult, TaskResult

from betting.admin_base.filters import by_choice, by_time, by_value
from betting.admin_base.read_only import FactAdmin
from betting.admin_base.unfold_types import badge

admin.site.unregister([TaskResult, GroupResult])


@admin.register(TaskResult)
class TaskAdmin(FactAdmin):
    """Results of tasks: failures, and polls that an operator asked for."""

    fieldsets = TaskResultAdmin.fieldsets
    list_display = ("task_name", "state", "worker", "date_done")
    list_filter = (by_choice("status"), by_value("task_name"), by_time("date_done"))
    search_fields = ("=task_id", "task_name", "task_args", "task_kwargs")

    @badge(
        "status",
        "status",
        {"SUCCESS": "success", "FAILURE": "danger", "RETRY": "warning", "STARTED": "info"},
    )
    def state(self, result: TaskResult) -> str:
        """Return Celery's name of its state."""
        return str(result.status)


@admin.register(GroupResult)
class TaskGroupAdmin(FactAdmin):
    """Results of groups of tasks."""

    readonly_fields = GroupResultAdmin.readonly_fields
    list_display = ("date_created", "date_done", "group_id")
    list_filter = (by_time("date_done"),)
    search_fields = ("=group_id",)
