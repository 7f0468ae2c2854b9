"""The OpenAPI document is true: of the committed file, and of every answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from hypothesis import given, settings
from rest_framework.authtoken.models import Token
from schemathesis.checks import CheckFunction
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from betting.config import CHECKOUT, get_config
from betting.web.api import throttles
from betting.web.wsgi import application
from tests.betting.web.api.filled import fill, url

pytestmark = pytest.mark.django_db

CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def test_the_document_in_the_repository_is_current(tmp_path: Any) -> None:
    # After a change to the API: manage.py spectacular --file docs/openapi.yaml
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", tmp_path / "now.yaml")

    assert (CHECKOUT / "docs" / "openapi.yaml").read_text() == (tmp_path / "now.yaml").read_text()


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many requests as anybody likes."""
    api = replace(get_config().api, user_per_minute=1_000_000, anonymous_per_minute=1_000_000)
    config = replace(get_config(), api=api)
    monkeypatch.setattr(throttles, "get_config", lambda: config)


@pytest.mark.usefixtures("operator", "quarantined", "uncounted", "kept_connection")
def test_every_answer_is_as_described() -> None:
    fill(2)
    document = schemathesis.openapi.from_wsgi("/api/v1/schema/", application)
    # A stream ends when its time is over: test_stream.py.
    found = document.exclude(path=url("stream")).get_all_operations()
    operations = [one.ok() for one in found if isinstance(one, Ok)]

    for operation in operations:
        assert_as_described(operation, f"Token {Token.objects.get().key}")

    assert len(operations) > 30


def assert_as_described(operation: APIOperation[Any, Any, Any, Any], authorization: str) -> None:
    @given(case=operation.as_strategy())
    @settings(max_examples=4, deadline=None, derandomize=True, database=None)
    def answers(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers={"Authorization": authorization}, checks=CHECKS)

    answers()
