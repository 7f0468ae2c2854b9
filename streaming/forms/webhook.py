"""The form for a webhook: one set of rules for the admin and the command line."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError

from betting.config import get_config
from betting.models import Sport
from streaming.core.addresses import is_private_literal, web_address
from streaming.core.notifications import TYPES
from streaming.core.texts import did_you_mean
from streaming.models import WebhookSubscriber
from streaming.notifications.webhooks import PRIVATE_SETTING


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A webhook that can be posted to. Its secret is generated, never entered."""

    LISTS = ("types", "sports")

    class Meta:
        """The fields that an operator sets."""

        model = WebhookSubscriber
        fields = ("name", "url", "types", "sports", "min_ev", "enabled")

    def clean_url(self) -> str:
        """Require an address that a delivery would not refuse at once."""
        url: str = self.cleaned_data["url"]
        parts = web_address(url)
        if parts is None:
            raise ValidationError("Enter an http:// or https:// address.")
        if parts.username or parts.password or parts.fragment:
            raise ValidationError("Enter an address without a login: deliveries are signed.")
        if not get_config().bus.allow_private_networks and is_private_literal(parts.hostname):
            raise ValidationError(
                "Enter an address on the public internet, or set "
                f"{PRIVATE_SETTING}=true if the host is yours."
            )
        return url

    def clean_types(self) -> list[str]:
        """Require types that exist."""
        types: list[str] = self.cleaned_data["types"] or []
        for each in types:
            if each not in TYPES:
                raise ValidationError(f"No event is a {each!r}{did_you_mean(each, TYPES)}.")
        return types

    def clean_sports(self) -> list[str]:
        """Accept known sports and ones that no provider has listed yet, but no misspelt ones."""
        sports: list[str] = self.cleaned_data["sports"] or []
        known = set(Sport.objects.values_list("key", flat=True))
        for each in sports:
            if each not in known and (hint := did_you_mean(each, known)):
                raise ValidationError(f"There is no sport {each!r}{hint}")
        return sports
