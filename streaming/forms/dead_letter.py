"""The form for a replay's edited arguments, which checks them before a message is sent."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from streaming.dead_letters.replay import EditedArguments, arguments_error
from streaming.models import DeadLetter


class _Indented(json.JSONEncoder):
    """A JSON encoder that indents arguments for people to read."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "indent": 2})


def _json_field(label: str) -> forms.JSONField:
    # An empty list is a valid value here; Django's own "required" would reject it.
    return forms.JSONField(
        label=label, required=False, encoder=_Indented, widget=UnfoldAdminTextareaWidget()
    )


class ArgumentsForm(forms.Form):
    """The arguments that a letter's task is replayed with, instead of those it failed on."""

    edited_args = _json_field("Arguments, a list")
    edited_kwargs = _json_field("Keyword arguments, an object")

    def __init__(self, letter: DeadLetter, data: Any = None) -> None:
        super().__init__(data, initial={"edited_args": letter.args, "edited_kwargs": letter.kwargs})
        self._task = letter.task

    def clean_edited_args(self) -> list[Any]:
        """Require a list."""
        args = self.cleaned_data["edited_args"]
        if not isinstance(args, list):
            raise forms.ValidationError("Enter a JSON list.")
        return args

    def clean_edited_kwargs(self) -> dict[str, Any]:
        """Require an object."""
        kwargs = self.cleaned_data["edited_kwargs"]
        if not isinstance(kwargs, dict):
            raise forms.ValidationError("Enter a JSON object.")
        return kwargs

    def clean(self) -> None:
        """Reject arguments that the task does not take."""
        if not self.errors and (fault := arguments_error(self._task, *self._arguments())):
            raise forms.ValidationError(fault)

    def edited(self) -> EditedArguments:
        """Return the arguments of a valid form."""
        return EditedArguments(*self._arguments())

    def _arguments(self) -> tuple[list[Any], dict[str, Any]]:
        return self.cleaned_data["edited_args"], self.cleaned_data["edited_kwargs"]
