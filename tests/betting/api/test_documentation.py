"""The requests of the documents, each as written, to the provider that `make run` has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from betting.config import get_config
from streaming.running.setup import enable_simulator

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CURL = re.compile(r"^(?:\$ )?curl (.*?[^\\])$", re.DOTALL | re.MULTILINE)
ADDRESS = re.compile(r"http://127\.0\.0\.1:8000(/[^\s\"']*)")
BODY = re.compile(r"-d '(.*?)'")


def requests() -> list[tuple[str, str]]:
    """The address and the body, if any, of every `curl` in the documents."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    texts = (document.read_text() for document in documents)
    blocks = (block for text in texts for block in BLOCK.findall(text))
    commands = (command for block in blocks for command in CURL.findall(block))
    return [
        (ADDRESS.findall(command)[0], "".join(BODY.findall(command)))
        for command in commands
        if ADDRESS.search(command)
    ]


def test_the_documents_have_requests_that_read_and_that_operate() -> None:
    bodies = [body for _, body in requests()]
    assert "" in bodies
    assert any(bodies)


@pytest.mark.django_db
@pytest.mark.parametrize(("address", "body"), requests())
def test_a_request_of_the_documents_is_answered(
    operator: APIClient,
    quarantined: list[int],  # noqa: ARG001 - asks for a fixture
    address: str,
    body: str,
) -> None:
    enable_simulator(get_config().web)
    if body:
        answer = operator.post(address, body, content_type="application/json")
    else:
        answer = operator.get(address)
    assert answer.status_code == 200
    if answer.streaming:
        answer.close()
