"""The documents of `docs/`, as pages of the admin under the same paths.

A document's links are relative to its file, as on any host of Markdown files. Here they are made
absolute, so that a section can also be shown on another page. Those to files that are not served
are plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from django.conf import settings
from django.contrib import admin
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

DOCUMENTS: Path = settings.BASE_DIR / "docs"
ADDRESS = "/admin/docs/"

_SERVED = {".md", ".png", ".svg"}

_POLICY_OF_PICTURES = "default-src 'none'; style-src 'unsafe-inline'"
"""A drawing that is opened by itself is a document, which could run scripts."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, up to the next heading of its level.

    Attributes:
        anchor: the heading's anchor.
        title: the heading.
        level: its level; 1 is the document's own title.
        html: what stands below it, with the sections of lower levels.
    """

    anchor: str
    title: str
    level: int
    html: SafeString

    @property
    def first_step(self) -> SafeString:
        """The first step, where the section begins with one, e.g. "run <code>ls</code>."."""
        match = re.match(r"<p><strong>First:</strong> (.*?)</p>", self.html, re.DOTALL)
        return SafeString(match[1] if match else "")


@dataclass(frozen=True, slots=True)
class Document:
    """A document of `docs/`.

    Attributes:
        html: all of it, below its title.
        sections: anchor → section, in their order.
    """

    html: SafeString
    sections: dict[str, Section]

    @property
    def title(self) -> str:
        """The document's title."""
        return next((each.title for each in self.sections.values()), "")

    @property
    def contents(self) -> list[Section]:
        """The sections of a level that is worth a table of contents."""
        return [each for each in self.sections.values() if each.level == 2]


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponseBase:
    """Render a document, or send a picture of one. `admin_view` checks the permission."""
    path = _path(name)
    if path is None:
        raise Http404
    if path.suffix != ".md":
        response = FileResponse(path.open("rb"))
        response["Content-Security-Policy"] = _POLICY_OF_PICTURES
        return response
    document = read(name)
    assert document is not None
    context = {
        **admin.site.each_context(request),
        "title": document.title,
        "document": document,
    }
    return TemplateResponse(request, "betting/document.html", context)


def read(name: str) -> Document | None:
    """Return a document; None if this installation does not have it.

    Args:
        name: its path below `docs/`, e.g. ``runbook.md``.
    """
    path = _path(name)
    return None if path is None else _parsed(name, path.stat().st_mtime_ns)


def section(reference: str) -> Section | None:
    """Return the section that a reference names, e.g. ``docs/runbook.md#queue-age``."""
    name, _, anchor = reference.removeprefix("docs/").partition("#")
    document = read(name)
    return None if document is None else document.sections.get(anchor)


def referred_to(found: Section) -> Section | None:
    """Return the section that another one refers to first, if it does."""
    match = re.search(r'^<p>See <a href="([^"]+)">', found.html, re.MULTILINE)
    return section(match[1].removeprefix(ADDRESS)) if match else None


def address(reference: str) -> str:
    """Return the address of a reference.

    >>> address("docs/runbook.md#queue-age")
    '/admin/docs/runbook.md#queue-age'
    """
    return ADDRESS + reference.removeprefix("docs/")


def anchor_of(heading: str) -> str:
    """Return the anchor of a heading, as hosts of Markdown files make it.

    >>> anchor_of("An edge closed as stale, or `x` fails")
    'an-edge-closed-as-stale-or-x-fails'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _path(name: str) -> Path | None:
    """Return the file of a document or a picture; None for every other name."""
    path = (DOCUMENTS / name).resolve()
    is_inside = path.is_relative_to(DOCUMENTS.resolve())
    return path if is_inside and path.suffix in _SERVED and path.is_file() else None


@lru_cache(maxsize=64)
def _parsed(name: str, _version: int) -> Document:
    text = (DOCUMENTS / name).read_text("utf-8")
    parser = _parser()
    tokens = parser.parse(text)
    _set_attributes(tokens, urljoin(ADDRESS, name))
    places = [place for place, token in enumerate(tokens) if token.type == "heading_open"]
    sections: dict[str, Section] = {}
    for place in places:
        level, title = int(tokens[place].tag[1:]), tokens[place + 1].content
        anchor = anchor_of(title)
        tokens[place].attrSet("id", anchor)
        end = next((p for p in places if p > place and int(tokens[p].tag[1:]) <= level), None)
        body = tokens[place + 3 : end]
        sections[anchor] = Section(anchor, title.replace("`", ""), level, _html(parser, body))
    is_titled = bool(places) and places[0] == 0
    return Document(_html(parser, tokens[3:] if is_titled else tokens), sections)


def _parser() -> MarkdownIt:
    """Return a parser of the Markdown that the documents use; HTML in them is shown as text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    # What may scroll sideways can be reached and scrolled by the keyboard.
    for name, opening in {
        "table_open": '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>',
        "table_close": "</table></div>",
    }.items():
        parser.add_render_rule(name, _constant(opening))
    return parser


def _constant(html: str) -> Any:
    def rule(_self: Any, *_arguments: Any) -> str:
        return html

    return rule


def _set_attributes(tokens: Sequence[Token], base: str) -> None:
    """Make every relative address absolute, and replace what a page may not hold or lacks."""
    is_plain = False
    for token in tokens:
        if token.type == "link_open":
            is_plain = not _leads_somewhere(urljoin(base, str(token.attrGet("href"))))
        if token.type in {"link_open", "link_close"}:
            token.hidden = is_plain
        if token.attrs.pop("style", ""):  # of a column of numbers
            token.attrSet("class", "op-number")
        for name in ("href", "src"):
            if relative := token.attrGet(name):
                token.attrSet(name, urljoin(base, str(relative)))
        if token.type == "fence":
            token.attrSet("tabindex", "0")
        _set_attributes(token.children or (), base)


def _leads_somewhere(target: str) -> bool:
    """Return True unless an absolute address is that of a file which is not served."""
    path = urlsplit(target).path
    if path.startswith(ADDRESS):
        return _path(unquote(path.removeprefix(ADDRESS))) is not None
    # Documents name pages of this server in code only: what is beside `docs/` is a file.
    return bool(urlsplit(target).netloc) or not path.startswith("/admin/")


def _html(parser: MarkdownIt, tokens: Sequence[Token]) -> SafeString:
    html: str = parser.renderer.render(tokens, parser.options, {})
    return SafeString(html)
