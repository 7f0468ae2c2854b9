"""The rows that commands of the documents name by their ids."""

from __future__ import annotations

from betting.models import Provider
from streaming.models import LetterKind
from tests.support.rows import (
    make_dead_letter,
    make_doubt,
    make_event,
    make_provider,
    make_sport,
)


def _provider() -> Provider:
    """One that is not polled."""
    return make_provider(enabled=False)


def make() -> None:
    """Make letters (docs/dead-letters.md) and doubtful matches (docs/matching.md).

    The simulator is asked more seldom, so that the commands have the machine.
    """
    Provider.objects.filter(key="simulator").update(interval_seconds=6)
    make_dead_letter(id=17)
    make_dead_letter(id=18)
    make_dead_letter(id=19, fingerprint="9f2c41d0a7b3e856")
    make_dead_letter(id=20, kind=LetterKind.UNDECODABLE, task="", args=[], body="{")
    make_dead_letter(id=21, kind=LetterKind.PAYLOAD, task="", args=[], body="{")
    for doubt_id in (17, 18, 19):
        sport = make_sport()
        provider = _provider()
        make_doubt(
            id=doubt_id,
            provider=provider,
            event=make_event(provider, sport=sport),
            candidate=make_event(_provider(), sport=sport),
        )
