"""The forms for a provider and its circuit: one set of rules for the admin and the command line."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from betting.config import get_config
from betting.models import Clock, Provider
from streaming.core.addresses import is_private_literal, web_address
from streaming.core.failures import PermanentFailure, ProviderFailure
from streaming.core.key_variables import key_variable_advice, may_hold_key
from streaming.models import Circuit
from streaming.providers.base import ProviderSettings
from streaming.providers.http import PRIVATE_SETTING
from streaming.providers.registry import PLAYERS, adapter

_VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_LONGEST_PLAIN_WORD = 20


def is_variable_name(text: str) -> bool:
    """Return True if the text names an environment variable and does not look like a key itself.

    >>> is_variable_name("THE_ODDS_API_KEY"), is_variable_name("4f8e0c1ab2")
    (True, False)
    >>> is_variable_name("A94A8FE5CCB19BA61C4C0873D391E987")
    False
    """
    if not _VARIABLE_NAME.fullmatch(text):
        return False
    has_digit = any(char.isdigit() for char in text)
    return "_" in text or len(text) < _LONGEST_PLAIN_WORD or not has_digit


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A provider that can be polled: its row holds all that its requests need."""

    LISTS = ("sports", "markets", "event_markets", "regions", "bookmakers")

    class Meta:
        """The fields that an operator sets; polls write the others."""

        model = Provider
        fields = (
            "key",
            "adapter",
            "base_url",
            "sports",
            "markets",
            "event_markets",
            "regions",
            "bookmakers",
            "odds_format",
            "api_key_env",
            "interval_seconds",
            "stale_after_seconds",
            "clock",
            "enabled",
        )
        labels: ClassVar[dict[str, str]] = {
            "base_url": "Base URL",
            "api_key_env": "API key's variable",
            "interval_seconds": "Poll every (seconds)",
            "stale_after_seconds": "Stale after (seconds)",
            "clock": "Times are",
        }
        help_texts: ClassVar[dict[str, str]] = {
            "key": "A short name of your own, such as odds-api-eu.",
            "adapter": "The protocol that the provider speaks.",
            "api_key_env": "The name of the environment variable that holds the key.",
            "sports": "Keys of sports, with commas between them.",
            "markets": "Keys of markets, such as h2h, spreads, totals.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "base_url" in self.fields:
            self.fields["base_url"].required = False
            self.fields[
                "base_url"
            ].help_text = "Empty: the adapter's public address, if it has one."

    def clean_adapter(self) -> str:
        """Require a registered adapter; the error names the nearest one."""
        key: str = self.cleaned_data["adapter"]
        try:
            adapter(key)
        except PermanentFailure as failure:
            raise ValidationError(f"{failure.message} {failure.advice}") from None
        return key

    def clean_api_key_env(self) -> str:
        """Require a variable's name; what looks like the key itself is refused and not repeated."""
        name: str = self.cleaned_data["api_key_env"]
        if name and not is_variable_name(name):
            raise ValidationError(
                "Enter the NAME of the environment variable that holds the key, such as "
                "HARDLINE_KEY_ODDS_API: capitals, digits and underscores. Hardline never stores "
                "the key itself. If you entered the key, remove it from your shell history."
            )
        if name and not may_hold_key(name, get_config().poll.key_variables):
            raise ValidationError(
                f"{name} may not hold a provider's key. {key_variable_advice(name)}"
            )
        return name

    def clean(self) -> dict[str, Any]:
        """Check the rules that involve several fields."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        self._check_interval(data)
        if "base_url" in data:
            data["base_url"] = self._address(data["base_url"], data.get("adapter"))
        if not self.errors:
            self._check_requests(data)
        return data

    def _check_interval(self, data: dict[str, Any]) -> None:
        names = ("interval_seconds", "stale_after_seconds")
        interval, stale_after = (data.get(name) for name in names)
        for name, seconds in zip(names, (interval, stale_after), strict=True):
            if seconds is not None and seconds <= 0:
                self.add_error(name, "Enter a number above 0.")
        is_live = data.get("clock") == Clock.WALL
        if is_live and interval and stale_after and stale_after <= interval:
            self.add_error(
                "stale_after_seconds",
                "Enter more than the interval: every feed would be stale between two polls.",
            )

    def _address(self, given: str, adapter_key: str | None) -> str:
        """Return a file's whole path, or a web address; without either, the adapter's own."""
        if adapter_key is None:  # an error already; it may not need an address
            return given
        if given and adapter_key in PLAYERS:
            return _absolute(given)
        address = given or adapter(adapter_key).public_url
        self._check_url(address)
        return address

    def _check_url(self, url: str) -> None:
        parts = web_address(url)
        if parts is None:
            self.add_error("base_url", "Enter an http:// or https:// address.")
        elif parts.username or parts.password or parts.query or parts.fragment:
            self.add_error(
                "base_url",
                "Enter scheme, host and path only: the key comes from the environment.",
            )
        elif is_private_literal(parts.hostname) and not (
            get_config().is_private_provider_allowed(url)
        ):
            self.add_error(
                "base_url",
                "Enter an address on the public internet, or set "
                f"{PRIVATE_SETTING}=true if the host is yours.",
            )

    def _check_requests(self, data: dict[str, Any]) -> None:
        """Have the adapter make its requests, which shows whether it has all that it needs."""
        lists: dict[str, Any] = {name: data[name] or () for name in self.LISTS}
        settings = ProviderSettings(
            key=data["key"],
            adapter=data["adapter"],
            base_url=data["base_url"],
            odds_format=data["odds_format"],
            api_key_env=data["api_key_env"],
            **lists,
        )
        try:
            requests = iter(adapter(settings.adapter).requests(settings))
            # A recording's requests are all that it holds: the first is enough.
            looked_at = list(islice(requests, 1) if settings.adapter in PLAYERS else requests)
            for refusal in filter(None, (request.refusal for request in looked_at)):
                raise refusal
        except ProviderFailure as failure:
            advice = failure.advice if isinstance(failure, PermanentFailure) else ""
            self.add_error(None, f"{failure} {advice}".strip())
            return
        if not looked_at:
            self.add_error(
                None, "Enter sports and markets: a poll of this provider would ask for nothing."
            )


class CircuitForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A circuit's own policy: an empty field stands for the configured value."""

    class Meta:
        """The admin chooses the fields."""

        model = Circuit
        exclude: tuple[str, ...] = ()

    def clean_backoff_seconds(self) -> list[float] | None:
        """Return None for an empty list of waits."""
        return self.cleaned_data["backoff_seconds"] or None


def _absolute(path: str) -> str:
    """Return a recording's path as the workers find it from any working directory."""
    return path if path.startswith("file:") else str(Path(path).absolute())
