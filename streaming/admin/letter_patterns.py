"""The page of dead letters by likely cause: clusters, and what changed before each began."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from betting.admin_base.unfold_types import ThemedAdmin
from betting.web import documents
from streaming.core.letter_words import period
from streaming.dead_letters import causes
from streaming.dead_letters.patterns import Pattern, patterns
from streaming.models import DeadLetter

SHOWN = 25
NAME = "streaming_deadletter_patterns"


@dataclass(frozen=True, slots=True)
class Row:
    """A pattern, as the page shows it.

    Attributes:
        pattern: the cluster, and what is known of it.
        seen: the time from its first failure to its last, in words.
        letters: the address of the list of letters with its fingerprints.
        runbook: the address of the section to begin with.
    """

    pattern: Pattern
    seen: str
    letters: str
    runbook: str


@require_safe
def page(request: HttpRequest, model_admin: ThemedAdmin) -> HttpResponse:
    """Render the most frequent patterns, those of open letters by default."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    shows_all = request.GET.get("show") == "all"
    letters = DeadLetter.objects.all() if shows_all else DeadLetter.objects.filter(causes.OPEN)
    found = patterns(letters, SHOWN)
    context = {
        **admin.site.each_context(request),
        "title": "Dead letters",
        "found": found,
        "rows": list(_rows(found.shown)),
        "shows_all": shows_all,
    }
    return TemplateResponse(request, "streaming/letter_patterns.html", context)


def _rows(shown: tuple[Pattern, ...]) -> Iterator[Row]:
    now, listing = timezone.now(), reverse("admin:streaming_deadletter_changelist")
    for pattern in shown:
        cluster = pattern.cluster
        query = urlencode({"fingerprint__in": ",".join(cluster.fingerprints)})
        anchor = documents.anchor_of(pattern.heading)
        yield Row(
            pattern=pattern,
            seen=period(cluster.first_seen, cluster.last_seen, now),
            letters=f"{listing}?{query}",
            runbook=documents.address(f"docs/runbook.md#{anchor}"),
        )
