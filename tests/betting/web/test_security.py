"""The Content-Security-Policy: pages load nothing from elsewhere and run no inline script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

import betting.web
from tests.support import rows

TEMPLATES = sorted(Path(betting.web.__file__).parent.glob("templates/board/*.html"))


def policy(address: str) -> dict[str, str]:
    header = Client().get(address).headers["Content-Security-Policy"]
    directives = (each.strip().partition(" ") for each in header.split(";"))
    return {name: sources for name, _, sources in directives}


@pytest.mark.django_db
def test_the_board_runs_the_projects_own_scripts_alone() -> None:
    found = policy("/login/")
    assert found["default-src"] == "'self'"
    assert found["frame-ancestors"] == "'none'"
    assert "script-src" not in found


@pytest.mark.django_db
def test_only_the_pages_of_libraries_may_run_inline_scripts() -> None:
    assert "'unsafe-inline'" in policy("/admin/login/")["script-src"]
    assert "http" not in policy("/admin/login/")["script-src"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_of_the_board_needs_an_inline_script_or_style(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", text)


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_the_operators_pages_add_no_inline_script_or_style(client: Client) -> None:
    """Those of Unfold's frame are all there are: as many as on a list that is Unfold's alone."""
    client.force_login(User.objects.create_superuser("olga"))
    provider = rows.make_provider()
    inline = re.compile(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=")

    def found(address: str) -> int:
        response = client.get(address)
        assert response.status_code == 200
        assert "script-src" in response["Content-Security-Policy"]
        return len(inline.findall(response.content.decode()))

    frame = found("/admin/streaming/pollrun/")
    for address in (
        "/admin/",
        "/admin/streaming/health/",
        f"/admin/streaming/health/providers/{provider.pk}/open/",
        "/admin/docs/runbook.md",
        "/admin/docs/baseline.md",
    ):
        assert found(address) <= frame, address
