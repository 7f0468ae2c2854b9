from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import pytest

from streaming.simulator.policy import MarketPolicy
from streaming.simulator.running import RunningSimulator, running_simulator

SMALL = MarketPolicy(events_per_sport=3)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """One connection per request; errors of the connection are raised as they come."""

    def __init__(self, base_url: str, api_key: str) -> None:
        parts = urlsplit(base_url)
        self._address = (parts.hostname or "", parts.port or 0)
        self._api_key = api_key

    def get(self, path: str, headers: Mapping[str, str] | None = None, **params: str) -> Reply:
        query = urlencode({"apiKey": self._api_key, **params})
        return self.send("GET", f"{path}?{query}", headers=headers)

    def send(
        self,
        method: str,
        target: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Reply:
        connection = http.client.HTTPConnection(*self._address, timeout=timeout)
        try:
            content = None if body is None else msgspec.json.encode(body)
            connection.request(method, target, content, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def _simulator() -> Iterator[RunningSimulator]:
    with running_simulator(policy=SMALL) as simulator:
        yield simulator


@pytest.fixture
def simulator(_simulator: RunningSimulator) -> Iterator[RunningSimulator]:
    yield _simulator
    _simulator.faults.clear()
    _simulator.calls.clear()


@pytest.fixture
def client(simulator: RunningSimulator) -> Client:
    return Client(simulator.base_url, simulator.api_key)
