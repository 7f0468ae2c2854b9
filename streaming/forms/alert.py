"""The form for a subscriber to alerts: one set of rules for the admin and the command line."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError

from betting.config import get_config
from betting.models import Bookmaker, Sport
from streaming.core.texts import did_you_mean
from streaming.models import AlertSubscriber
from streaming.notifications import apprise_service


class AlertForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A subscriber to alerts. Its URL is entered and never shown again."""

    LISTS = ("sports", "bookmakers")

    address = forms.CharField(
        label="Apprise URL",
        required=False,
        max_length=1000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="e.g. tgram://TOKEN/CHAT, discord://…, slack://…, mailtos://…: a secret, which is"
        " not shown again",
    )

    class Meta:
        """The fields that an operator sets."""

        model = AlertSubscriber
        fields = (
            "name", "enabled", "wants_edges", "wants_operations", "sports", "bookmakers", "min_ev",
            "max_ev", "min_books", "start_hours", "timing", "digest_minutes", "quiet_from",
            "quiet_to", "time_zone",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "address" in self.fields:
            self.fields[
                "address"
            ].help_text = f"{self.instance.masked_url} is kept where this is left empty"

    def clean_address(self) -> str:
        """Require a URL that messages can be sent to; a subscriber that has one may keep it."""
        entered: str = self.cleaned_data["address"]
        if not entered:
            if self.instance.pk is None:
                raise ValidationError("Enter an Apprise URL.")
            return ""
        allow_private = get_config().bus.allow_private_networks
        try:
            found = apprise_service.checked(entered, allow_private=allow_private)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        self.instance.url, self.instance.service = found.url, found.service
        return entered

    def clean_sports(self) -> list[str]:
        """Accept known sports and ones that no provider has listed yet, but no misspelt ones."""
        return self._known("sports", "sport", set(Sport.objects.values_list("key", flat=True)))

    def clean_bookmakers(self) -> list[str]:
        """Accept known bookmakers and ones that no feed has shown yet, but no misspelt ones."""
        known = set(Bookmaker.objects.values_list("key", flat=True))
        return self._known("bookmakers", "bookmaker", known)

    def clean_time_zone(self) -> str:
        """Require a time zone's name."""
        zone: str = self.cleaned_data["time_zone"]
        known = available_timezones()
        if zone not in known:
            raise ValidationError(f"There is no time zone {zone!r}{did_you_mean(zone, known)}")
        return zone

    def clean(self) -> dict[str, Any]:
        """Require what only fields together can lack or contradict."""
        data: dict[str, Any] = super().clean() or {}
        if (data.get("quiet_from") is None) != (data.get("quiet_to") is None):
            self.add_error("quiet_to", "Enter both ends of the quiet hours, or none.")
        least, greatest = data.get("min_ev"), data.get("max_ev")
        if least is not None and greatest is not None and least > greatest:
            self.add_error("max_ev", "Enter no less than the least EV.")
        if not (data.get("wants_edges") or data.get("wants_operations")):
            self.add_error("wants_edges", "Choose edges, operators' alerts or both.")
        return data

    def _known(self, field: str, noun: str, known: set[str]) -> list[str]:
        keys: list[str] = self.cleaned_data[field] or []
        for key in keys:
            if key not in known and (hint := did_you_mean(key, known)):
                raise ValidationError(f"There is no {noun} {key!r}{hint}")
        return keys
