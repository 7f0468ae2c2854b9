"""The documents in the admin: the runbook, and what it links to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from betting.web import documents
from streaming.core.health import runbook
from streaming.health.checks import CHECKS

RUNBOOK = "/admin/docs/runbook.md"


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("sam", is_staff=True))
    return client


@pytest.mark.django_db
def test_the_runbook_is_a_page_with_an_anchor_for_each_heading(staff: Client) -> None:
    page = staff.get(RUNBOOK).content.decode()
    headings = re.findall(
        r"^##+ (.+)$", (documents.DOCUMENTS / "runbook.md").read_text(), re.MULTILINE
    )

    assert len(headings) > 30
    for heading in headings:
        assert f'id="{documents.anchor_of(heading)}"' in page
    assert "<table>" in page
    assert "| it says |" not in page


@pytest.mark.django_db
def test_documents_are_for_staff(client: Client) -> None:
    assert "/admin/login/" in client.get(RUNBOOK)["Location"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    ["nothing.md", "../README.md", "../manage.py", "openapi.yaml", "adr", "%2e%2e/README.md"],
)
def test_nothing_else_is_served(staff: Client, name: str) -> None:
    assert staff.get(f"/admin/docs/{name}").status_code == 404


@pytest.mark.django_db
def test_a_document_in_a_folder_and_a_picture_are_served(staff: Client) -> None:
    assert staff.get("/admin/docs/adr/0035-the-board.md").status_code == 200
    picture = staff.get("/admin/docs/images/health.png")
    assert picture["Content-Type"] == "image/png"
    assert b"".join(picture)


@pytest.mark.django_db
def test_a_chart_is_served_and_runs_no_script(staff: Client) -> None:
    page = staff.get("/admin/docs/benchmarks/README.md").content.decode()
    assert 'src="/admin/docs/benchmarks/burst-p95_ms.svg"' in page
    chart = staff.get("/admin/docs/benchmarks/burst-p95_ms.svg")
    assert chart["Content-Type"] == "image/svg+xml"
    policy = chart["Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert b"".join(chart)


@pytest.mark.django_db
def test_every_link_within_the_documents_leads_somewhere(staff: Client) -> None:
    found = set()
    for path in documents.DOCUMENTS.rglob("*.md"):
        document = documents.read(str(path.relative_to(documents.DOCUMENTS)))
        assert document is not None
        found |= set(re.findall(r'(?:href|src)="(/[^"#]*)', document.html))

    assert len(found) > 50
    for address in found:
        response = staff.get(address)
        assert response.status_code == 200, address
        assert b"".join(response)


def test_the_name_of_a_file_that_is_not_served_is_plain_text() -> None:
    document = documents.read("commands.md")
    assert document is not None
    assert ".env.example" in document.html
    assert not re.search(r'<a [^>]*href="[^"]*\.env\.example', document.html)


@pytest.mark.parametrize("check", [each.__name__ for each in CHECKS])
def test_each_check_has_a_section(check: str) -> None:
    found = documents.section(runbook(check))

    assert found is not None
    assert found.html.startswith("<p>")
    assert found.first_step[0].islower()
    assert found.first_step.endswith((".", ")."))
    assert len(found.first_step) < 160
    assert documents.address(runbook(check)) == f"{RUNBOOK}#{found.anchor}"


def test_a_section_ends_before_the_next_heading_of_its_level() -> None:
    beat = documents.section("docs/runbook.md#beat")
    whole = documents.section("docs/runbook.md#a-health-check-does-not-pass")

    assert beat is not None
    assert "No tick arrived" in beat.html
    assert "A queue has no worker" not in beat.html
    assert whole is not None
    assert "A queue has no worker" in whole.html


def test_links_of_a_section_hold_on_any_page() -> None:
    beat = documents.section("docs/runbook.md#beat")

    assert beat is not None
    assert 'href="/admin/docs/health.md#when-nobody-looks"' in beat.html


def test_a_section_that_refers_to_another_leads_to_it() -> None:
    circuits = documents.section("docs/runbook.md#circuits")

    assert circuits is not None
    more = documents.referred_to(circuits)
    assert more is not None
    assert more.title == "A circuit is open"


def test_no_document_holds_a_style() -> None:
    for path in documents.DOCUMENTS.rglob("*.md"):
        document = documents.read(str(path.relative_to(documents.DOCUMENTS)))
        assert document is not None
        assert " style=" not in document.html, path.name


def test_a_column_of_numbers_is_aligned_by_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numbers.md").write_text("# Numbers\n\n| a | b |\n| --- | ---: |\n| x | 1 |\n")
    monkeypatch.setattr(documents, "DOCUMENTS", tmp_path)

    found = documents.read("numbers.md")

    assert found is not None
    assert '<td class="op-number">1</td>' in found.html


def test_html_in_a_document_is_shown_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd.md").write_text(
        "# Odd\n\n<script>alert(1)</script> [x](javascript:alert(1))\n"
    )
    monkeypatch.setattr(documents, "DOCUMENTS", tmp_path)

    found = documents.read("odd.md")

    assert found is not None
    assert "<script" not in found.html
    assert 'href="javascript' not in found.html


def test_every_link_between_documents_leads_somewhere() -> None:
    """Addresses below /admin/docs/ that the documents hold, with their anchors."""
    for path in documents.DOCUMENTS.rglob("*.md"):
        name = str(path.relative_to(documents.DOCUMENTS))
        document = documents.read(name)
        assert document is not None
        for link in re.findall(r'href="/admin/docs/([^"]+)"', document.html):
            target, _, anchor = link.partition("#")
            if not target.endswith(".md"):
                continue
            found = documents.read(target)
            assert found is not None, f"{name}: {link}"
            assert not anchor or anchor in found.sections, f"{name}: {link}"
