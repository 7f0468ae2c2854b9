from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from betting.config import WebConfig
from streaming.runner.ports import LOOPBACK, PortError, is_listening, moved, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_something_listens_on_is_not_free(taken: int) -> None:
    assert is_listening(LOOPBACK, taken)
    with pytest.raises(PortError, match=rf"{taken} of 127.0.0.1 is in use.*--port N"):
        require_free(LOOPBACK, taken)


def test_a_port_that_nothing_listens_on_is_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
    assert not is_listening(LOOPBACK, port)
    require_free(LOOPBACK, port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 8000), (LOOPBACK, 70_000)])
def test_what_cannot_be_listened_on_is_an_error(host: str, port: int) -> None:
    with pytest.raises(PortError, match="cannot be used"):
        require_free(host, port)


def test_the_three_ports_move_together() -> None:
    web = moved(WebConfig(host="0.0.0.0"), 9000)
    assert (web.port, web.flower_port, web.simulator_port) == (9000, 9001, 9002)
    assert web.host == "0.0.0.0"
