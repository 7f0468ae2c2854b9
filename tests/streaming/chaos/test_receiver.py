from __future__ import annotations

from http.client import RemoteDisconnected
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from streaming.chaos.receiver import Receiver, receiving


def deliver(receiver: Receiver, delivery: str) -> int:
    request = Request(receiver.url, b"{}", {"webhook-id": delivery})
    with urlopen(request, timeout=5) as answer:
        status: int = answer.status
        return status


def test_what_is_taken_is_on_record_and_what_is_refused_is_not() -> None:
    with receiving() as receiver:
        assert deliver(receiver, "first") == 204
        receiver.answer = "refuse"
        with pytest.raises(HTTPError, match="503"):
            deliver(receiver, "second")
        receiver.answer = "cut"
        with pytest.raises(RemoteDisconnected):
            deliver(receiver, "third")
        receiver.answer = "take"
        assert deliver(receiver, "second") == 204
        assert [each.delivery for each in receiver.receipts()] == ["first", "second"]
