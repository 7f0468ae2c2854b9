from __future__ import annotations

import asyncio
import os
import secrets
import signal
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from betting.config.secret_files import secret_text
from streaming.core.failures import ProviderFailure
from streaming.core.snapshot import LeftOut
from streaming.management.arguments import free_port, one_or_more, positive
from streaming.providers.recording import adapter as recording
from streaming.simulator import recorder
from streaming.simulator.faults import FaultBoard, parse_rule
from streaming.simulator.market import Market
from streaming.simulator.odds_api import DEFAULT_QUOTA, OddsApi, Quota, Source
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.replay import Replay
from streaming.simulator.running import API_KEY
from streaming.simulator.server import CallLog, Simulator, serve

API_KEY_ENV = "HARDLINE_SIMULATOR_KEY"


class Command(BaseCommand):
    help = (
        "Serve The Odds API v4 on loopback from a simulated market, or from a recording; "
        "or write a recording of the simulated market."
    )
    requires_system_checks = ()  # it uses nothing that they check

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--host", default="127.0.0.1", help="loopback address to listen on")
        add("--port", type=free_port, default=8099, help="0 picks a free port")
        add("--seed", type=int, help="makes the market repeatable; default: random")
        add("--sports", nargs="+", default=(), metavar="KEY", help="default: all simulated sports")
        add("--speed", type=positive, default=1.0, help="market, or recorded, seconds per second")
        add("--api-key-env", default=API_KEY_ENV, metavar="NAME", help="variable that has the key")
        add("--quota", type=int, default=DEFAULT_QUOTA, help="credits of the key")
        add("--fault", action="append", default=[], metavar="SPORT=KIND[:RATE]")
        add("--feed", type=Path, metavar="FILE", help="serve this recording instead of a market")
        add("--record", type=Path, metavar="FILE", help="write a .jsonl.gz recording, do not serve")
        add("--responses", type=one_or_more, default=28, help="answers to record")

    def handle(self, **options: Any) -> None:
        try:
            if options["record"]:
                self._record(**options)
            else:
                asyncio.run(self._serve(**options))
        except (ValueError, OSError, ProviderFailure) as error:
            raise CommandError(str(error)) from error

    def _record(self, **options: Any) -> None:
        seed = 1 if options["seed"] is None else options["seed"]
        recorder.record(options["record"], options["responses"], options["sports"], seed)
        self.stdout.write(f"recorded {options['responses']} answers in {options['record']}")

    async def _serve(self, **options: Any) -> None:
        seed = secrets.randbits(32) if options["seed"] is None else options["seed"]
        faults = FaultBoard(seed)
        for text in options["fault"]:
            faults.put(parse_rule(text))
        source, left_out = self._source(seed, options)
        simulator = Simulator(source, faults, CallLog(), left_out)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(simulator, options["host"], options["port"], stop, self._announce)

    def _source(self, seed: int, options: dict[str, Any]) -> tuple[Source, Sequence[LeftOut]]:
        """Return the source to serve, and the records that it leaves out."""
        api_key, now = _api_key(options["api_key_env"]), datetime.now(UTC)
        if options["feed"]:
            feed = recording.survey(options["feed"])
            for warning in feed.warnings():
                self.stderr.write(f"warning: {warning}")
            return Replay(feed.records(), api_key, options["speed"], now), feed.left_out
        market = Market(now, seed, options["sports"], MarketPolicy(speed=options["speed"]))
        return OddsApi(market, api_key, Quota(options["quota"])), ()

    def _announce(self, base_url: str) -> None:
        self.stdout.write(f"The Odds API v4, simulated, on {base_url}")
        self.stdout.flush()


def _api_key(name: str) -> str:
    """Return the valid key; if the default variable is unset, the one always accepted."""
    key = secret_text(name, os.environ)
    if not key and name != API_KEY_ENV:
        raise CommandError(f"the environment variable {name}, named by --api-key-env, is not set")
    return key or API_KEY
