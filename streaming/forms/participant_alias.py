"""The form for an alias of a participant, for the admin and the command line."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from betting.db.querysets import participant_aliases
from betting.models import ParticipantAlias, Sport
from streaming.core.participants import canonical, normalise, sport_family
from streaming.core.texts import did_you_mean


class ParticipantAliasForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """An alias, entered in the provider's spelling and stored as names are compared."""

    class Meta:
        """All fields are the operator's."""

        model = ParticipantAlias
        fields = ("family", "name", "canonical")
        help_texts = {  # noqa: RUF012 - Django's Meta takes plain dicts
            "family": "the sports that use this name, e.g. americanfootball",
            "name": "as the provider writes it, e.g. Cincinnati",
            "canonical": "as the event names it, e.g. Cincinnati Bengals",
        }

    def clean_family(self) -> str:
        """Require a family of known sports; the key of one of its sports is accepted for it."""
        family = sport_family(self.cleaned_data["family"].strip())
        known = sport_families()
        if family not in known:
            raise ValidationError(f"There is no sport of this family{did_you_mean(family, known)}.")
        return family

    def clean_name(self) -> str:
        """Normalise the name, as names are compared."""
        return _normalised(self.cleaned_data["name"])

    def clean_canonical(self) -> str:
        """Normalise the canonical name, as names are compared."""
        return _normalised(self.cleaned_data["canonical"])

    def clean(self) -> dict[str, Any]:
        """Reject an alias that leads back to its own name, directly or through others."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.keys() >= {"family", "name", "canonical"}:
            others = participant_aliases(data["family"])
            others.pop(self.instance.name, None)
            if canonical(data["canonical"], others) == data["name"]:
                self.add_error("canonical", "Enter another name: matching reads these two as one.")
        return data


def _normalised(text: str) -> str:
    name = normalise(text)
    if not name:
        raise ValidationError("Enter a name with a letter or a digit.")
    return name


def sport_families() -> list[str]:
    """Return the families of the sports in the database, sorted."""
    keys = Sport.objects.order_by().values_list("key", flat=True)
    return sorted({sport_family(key) for key in keys})
