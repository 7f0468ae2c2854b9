"""The command, as a process of its own."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import execute_from_command_line

from streaming.simulator.recorder import record
from tests.streaming.simulator.conftest import Client

ROOT = Path(__file__).parents[3]
EPL = "/v4/sports/soccer_epl/odds"


def command(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "simulate_provider", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def served(
    *arguments: str, key: str = "simulator", environ: Mapping[str, str] | None = None
) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    with command("--port", "0", *arguments, environ=environ) as process:
        assert process.stdout is not None
        try:
            announced = process.stdout.readline()
            yield Client(announced.split()[-1], key), process
        finally:
            process.terminate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_stops_cleanly(number: signal.Signals) -> None:
    with served("--sports", "soccer_epl") as (client, process):
        assert client.get(EPL, regions="eu").status == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_faults_given_at_the_start_are_in_force() -> None:
    with served("--fault", "soccer_epl=503", "--fault", "*=429:0") as (client, _):
        assert client.get(EPL, regions="eu").status == 503
        assert client.get("/v4/sports/baseball_mlb/odds", regions="eu").status == 200


def test_the_key_comes_from_the_environment_variable_named() -> None:
    arguments = ("--api-key-env", "A_KEY_OF_MY_OWN")
    environ = {"A_KEY_OF_MY_OWN": "open sesame"}
    with served(*arguments, key="open sesame", environ=environ) as (client, _):
        assert client.get(EPL, regions="eu").status == 200
        assert client.send("GET", f"{EPL}?apiKey=simulator&regions=eu").status == 401


def test_it_serves_a_recording(tmp_path: Path) -> None:
    feed = tmp_path / "feed.jsonl.gz"
    record(feed, 1, ("soccer_epl",))
    with served("--feed", str(feed), "--speed", "5") as (client, _):
        assert len(client.get(EPL).json()) == 4


def test_it_serves_the_lines_of_a_recording_that_can_be_read_and_tells_of_the_others(
    tmp_path: Path,
) -> None:
    whole, feed = tmp_path / "whole.jsonl.gz", tmp_path / "feed.jsonl"
    record(whole, 2, ("soccer_epl",))
    first, second = gzip.decompress(whole.read_bytes()).splitlines(keepends=True)
    feed.write_bytes(first + b"broken\n" + second)
    with served("--feed", str(feed)) as (client, process):
        assert len(client.get(EPL).json()) == 4
        (left_out,) = client.send("GET", "/control/stats").json()["left_out"]
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert (left_out["place"], left_out["count"]) == ("feed.jsonl:2", 1)
    (warning,) = err.splitlines()
    assert warning.startswith("warning: 1 line left out")
    assert "feed.jsonl:2" in warning


def test_it_writes_a_recording(tmp_path: Path) -> None:
    feed, expected = tmp_path / "feed.jsonl.gz", tmp_path / "expected.jsonl.gz"
    record(expected, 3, ("soccer_epl",), seed=5)
    arguments = ("--record", str(feed), "--responses", "3", "--sports", "soccer_epl", "--seed", "5")
    with command(*arguments) as process:
        assert process.wait(timeout=30) == 0
    assert feed.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--host", "0.0.0.0"), "loopback only"),
        (("--fault", "soccer_epl=rain"), "SPORT=KIND"),
        (("--sports", "curling"), "curling"),
        (("--api-key-env", "A_KEY_THAT_IS_NOT_SET"), "A_KEY_THAT_IS_NOT_SET"),
        (("--feed", "no such file"), "no such file"),
    ],
)
def test_what_it_cannot_do_it_says_in_one_line(
    arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", "simulate_provider", "--port", "0", *arguments])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line


@pytest.mark.parametrize(
    "arguments", ["--speed 0", "--speed nan", "--port 65536", "--port -1", "--responses 0"]
)
def test_a_number_that_makes_no_sense_is_refused_as_such(
    arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option, number = arguments.split()
    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", "simulate_provider", f"{option}={number}"])
    assert ended.value.code == 2
    assert f"argument {option}: {number!r} is not a" in capsys.readouterr().err
