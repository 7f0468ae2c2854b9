from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from streaming.chaos.slow import Proxy, slow


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    """A server that sends each line back."""
    path = tmp_path / "server"
    with socketserver.ThreadingUnixStreamServer(str(path), Echo) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield path
        running.shutdown()


def connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(str(path))
    return client


def echo(client: socket.socket) -> bytes:
    client.sendall(b"a line\n")
    return client.recv(100)


def test_a_slow_server_answers_late_and_is_as_it_was_afterwards(server: Path) -> None:
    with slow(server, Random(1)), connected(server) as client:
        began = time.monotonic()
        assert echo(client) == b"a line\n"
        assert time.monotonic() - began >= 0.1
    with connected(server) as client:
        assert echo(client) == b"a line\n"
    assert [each.name for each in server.parent.iterdir()] == ["server"]


def test_connections_are_cut_while_it_is_slow_and_at_its_end(server: Path) -> None:
    listening = server.with_name("slow")
    proxy = Proxy(listening, server, 0.0, 0.05, Random(1))
    proxy.start()
    with connected(listening) as client:
        assert client.recv(100) == b""
    proxy.stop()

    patient = Proxy(listening, server, 0.0, 60.0, Random(1))
    patient.start()
    with connected(listening) as client:
        assert echo(client) == b"a line\n"
        patient.stop()
        assert client.recv(100) == b""
