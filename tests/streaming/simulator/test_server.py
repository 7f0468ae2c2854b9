from __future__ import annotations

import asyncio
import gzip
import time
from datetime import UTC, datetime

import msgspec
import pytest

from streaming.simulator.faults import FaultBoard
from streaming.simulator.market import Market
from streaming.simulator.odds_api import OddsApi
from streaming.simulator.running import RunningSimulator
from streaming.simulator.server import CallLog, Simulator, require_loopback, serve
from tests.streaming.simulator.conftest import Client

EPL = "/v4/sports/soccer_epl/odds"


def test_a_list_is_served_with_its_quota_headers(client: Client) -> None:
    reply = client.get(EPL, regions="eu,uk", markets="h2h,totals")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.headers["x-requests-last"] == "4"
    assert {"x-requests-used", "x-requests-remaining"} <= reply.headers.keys()
    assert len(reply.json()) == 3


def test_a_body_is_gzipped_only_when_that_is_accepted(client: Client) -> None:
    plain = client.get(f"{EPL[:-5]}/events")
    packed = client.get(f"{EPL[:-5]}/events", headers={"Accept-Encoding": "gzip, deflate"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert msgspec.json.decode(gzip.decompress(packed.body)) == plain.json()


def test_a_request_without_a_key_is_refused(client: Client) -> None:
    reply = client.send("GET", f"{EPL}?regions=eu")
    assert (reply.status, reply.json()["error_code"]) == (401, "MISSING_KEY")


def test_the_server_says_that_it_is_well(client: Client) -> None:
    assert client.send("GET", "/control/healthz").json() == {"status": "ok"}


def test_faults_are_switched_on_listed_and_off_while_it_runs(client: Client) -> None:
    rules = [{"sport": "soccer_epl", "kind": "503"}, {"sport": "*", "kind": "429", "rate": 0.0}]
    assert client.send("PUT", "/control/faults", rules).status == 200
    assert client.get(EPL, regions="eu").status == 503
    listed = client.send("GET", "/control/faults").json()
    assert [(rule["sport"], rule["kind"], rule["rate"]) for rule in listed] == [
        ("soccer_epl", "503", 1.0),
        ("*", "429", 0.0),
    ]
    left = client.send("DELETE", "/control/faults?sport=soccer_epl").json()
    assert [rule["kind"] for rule in left] == ["429"]
    assert client.get(EPL, regions="eu").status == 200
    assert client.send("DELETE", "/control/faults").json() == []


@pytest.mark.parametrize(
    "rule",
    [{"sport": "*"}, {"sport": "*", "kind": "rain"}, {"sport": "*", "kind": "500", "rate": 2}, 7],
)
def test_a_wrong_rule_is_refused_and_changes_nothing(client: Client, rule: object) -> None:
    reply = client.send("PUT", "/control/faults", rule)
    assert reply.status == 400
    assert reply.json()["message"]
    assert client.send("GET", "/control/faults").json() == []


def test_calls_are_counted_and_timed_per_sport(simulator: RunningSimulator, client: Client) -> None:
    began = time.monotonic()
    client.get(EPL, regions="eu")
    simulator.fail("soccer_epl", "500")
    client.get(EPL, regions="eu")
    client.get("/v4/sports/baseball_mlb/odds", regions="eu")
    ended = time.monotonic()
    stats = client.send("GET", "/control/stats").json()
    epl = stats["sports"]["soccer_epl"]
    assert stats["calls"] == 3
    assert (epl["calls"], epl["faults"]) == (2, {"500": 1})
    assert began <= epl["at"][0] <= epl["at"][1] <= ended <= stats["now"]
    assert client.send("DELETE", "/control/stats").json()["calls"] == 0
    assert simulator.calls.times("soccer_epl") == []


def test_asking_the_control_is_not_a_call(simulator: RunningSimulator, client: Client) -> None:
    client.send("GET", "/control/healthz")
    assert simulator.calls.summary()["calls"] == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_hosts_are_accepted(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com", ""])
def test_any_other_host_is_refused_before_anything_listens(host: str) -> None:
    heard: list[str] = []
    source = OddsApi(Market(datetime.now(UTC), sports=["soccer_epl"]), "key")

    async def main() -> None:
        server = Simulator(source, FaultBoard(), CallLog())
        await serve(server, host, 0, asyncio.Event(), heard.append)

    with pytest.raises(ValueError, match="loopback only"):
        asyncio.run(main())
    assert heard == []
