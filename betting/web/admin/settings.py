"""Live settings: the page that shows and changes them, and the history of their changes."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from betting.admin_base.filters import by_time, by_value
from betting.admin_base.read_only import FactAdmin
from betting.config import Config, get_config
from betting.config.env import COUNTED, UNITS, ConfigError, Variable, attribute_descriptions
from betting.config.live import live_variables, source_of
from betting.config.reference import accepted, default_text, text_in
from betting.db import live_settings
from betting.models import SettingChange


class ChangeForm(forms.Form):
    """A new value for one setting; its own rules check it."""

    name = forms.CharField(widget=forms.HiddenInput)
    value = forms.CharField(required=False, widget=UnfoldAdminTextInputWidget)
    reason = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Reason"})
    )

    def __init__(self, variable: Variable, **kwargs: Any) -> None:
        super().__init__(prefix=variable.path, **kwargs)
        self.fields["value"].widget.attrs["aria-label"] = f"New value of {variable.name}"
        self.fields["reason"].widget.attrs["aria-label"] = f"Reason for changing {variable.name}"
        if choices := _choices(variable):
            widget = UnfoldAdminSelectWidget(attrs=self.fields["value"].widget.attrs)
            widget.choices = [(choice, choice) for choice in choices]
            self.fields["value"].widget = widget


@dataclass(frozen=True, slots=True)
class LiveSetting:
    """A setting as the page shows it.

    Attributes:
        title: its name in words.
        value, default: as in the environment.
        source: where the value comes from.
        accepted: what may be entered.
        is_changed: whether an operator has changed it.
        newest: the newest change, if there was one.
    """

    name: str
    title: str
    description: str
    unit: str
    value: str
    default: str
    source: str
    accepted: str
    is_changed: bool
    newest: SettingChange | None
    form: ChangeForm


@admin.register(SettingChange)
class SettingChangeAdmin(FactAdmin):
    """The history of live settings, and the page on which they are changed."""

    list_display = ("changed_at", "name", "shown_value", "changed_by", "reason")
    list_display_links = None
    list_filter = (by_value("name"), by_time("changed_at"))
    search_fields = ("name", "changed_by", "reason")

    def get_urls(self) -> list[Any]:
        """Add the page of the settings themselves."""
        page = self.admin_site.admin_view(self.settings)
        return [path("live/", page, name="live_settings"), *super().get_urls()]

    def has_change_setting_permission(self, request: HttpRequest) -> bool:
        """Return True if the user may change settings: nobody edits or deletes a change itself."""
        return bool(request.user.has_perm("betting.add_settingchange"))

    @admin.display(description="value", ordering="value")
    def shown_value(self, change: SettingChange) -> str:
        """Return the value, or that the environment's applies again."""
        return change.value or "the environment's"

    def settings(self, request: HttpRequest) -> HttpResponse:
        """Show all live settings; change one if it is posted."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        bound = None
        if request.method == "POST":
            if not self.has_change_setting_permission(request):
                raise PermissionDenied
            bound = _posted(request)
            if bound.is_valid() and _change(request, bound):
                return redirect("admin:live_settings")
        context = {
            **self.admin_site.each_context(request),
            "title": "Live settings",
            "sections": list(_sections(bound)),
            "may_change": self.has_change_setting_permission(request),
        }
        return TemplateResponse(request, "betting/live_settings.html", context)


def _posted(request: HttpRequest) -> ChangeForm:
    """Return the form of the setting that was posted.

    Raises:
        PermissionDenied: there is no such live setting.
    """
    for variable in live_variables():
        if f"{variable.path}-name" in request.POST:
            return ChangeForm(variable, data=request.POST)
    raise PermissionDenied


def _change(request: HttpRequest, form: ChangeForm) -> bool:
    name, value = form.cleaned_data["name"], form.cleaned_data["value"].strip()
    value = "" if "reset" in request.POST else value
    try:
        live_settings.change(name, value, request.user.get_username(), form.cleaned_data["reason"])
    except (ConfigError, live_settings.UnknownSettingError) as error:
        problems = error.problems if isinstance(error, ConfigError) else (f"{name}: unknown",)
        form.add_error("value", "; ".join(problems))
        return False
    words = f"set to {value}" if value else "has the environment's value again"
    messages.success(request, f"{name} {words}. Every process follows within seconds.")
    return True


def _sections(bound: ChangeForm | None) -> Iterator[tuple[str, str, list[LiveSetting]]]:
    """Yield each section's title and description with its settings."""
    described = attribute_descriptions(Config)
    newest = {
        change.name: change
        for change in SettingChange.objects.order_by("name", "-id").distinct("name")
    }
    for section, group in groupby(live_variables(), key=lambda each: each.path.partition(".")[0]):
        settings = [_setting(each, newest.get(each.name), bound) for each in group]
        yield section.capitalize(), described.get(section, ""), settings


def _setting(
    variable: Variable, newest: SettingChange | None, bound: ChangeForm | None
) -> LiveSetting:
    source = source_of(variable)
    value = text_in(get_config(), variable)
    initial = {"name": variable.name, "value": value}
    is_bound = bound is not None and bound.prefix == variable.path
    return LiveSetting(
        name=variable.name,
        title=_title(variable),
        description=variable.description.replace("``", ""),
        unit=variable.unit,
        value=value,
        default=default_text(variable),
        source="changed here" if source == "live" else source,
        accepted=accepted(variable).replace("`", ""),
        is_changed=source == "live",
        newest=newest,
        form=bound if bound and is_bound else ChangeForm(variable, initial=initial),
    )


def _title(variable: Variable) -> str:
    """Return the name without its section, and without a unit that its value has."""
    *words, last = variable.path.partition(".")[2].split("_")
    is_unit = last in UNITS and last not in COUNTED
    return " ".join(words if is_unit else [*words, last])


def _choices(variable: Variable) -> tuple[str, ...]:
    if variable.type is bool:
        return ("true", "false")
    is_literal = typing.get_origin(variable.type) is typing.Literal
    return typing.get_args(variable.type) if is_literal else ()
