"""One seed: the faults strike, the answers freeze, the stream recovers, and both sides are read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import django.db
import psycopg
from redis.exceptions import RedisError

from betting.db.outages import OUTAGES
from betting.runtime.embedded import EmbeddedError
from streaming.chaos.comparison import Difference, Rows, differences
from streaming.chaos.document import Happening, SeedResult
from streaming.chaos.ends import Mark, mark, read_ends, replay_missed
from streaming.chaos.faults import FAULTS
from streaming.chaos.oracle import OracleError, read_undisturbed
from streaming.chaos.plan import Strike
from streaming.chaos.recovery import Letters, behind, letters
from streaming.chaos.rows import read_rows
from streaming.chaos.soundness import unsound_letters
from streaming.chaos.stage import WORKERS, Stage
from streaming.chaos.witness import read as read_witness
from streaming.runner.run_loop import RunLoop

PATIENCE_SECONDS = 60.0
"""The longest wait for the stream to recover, and for its rows and letters to be as they must."""

_LOOK_SECONDS = 0.2
AWAY = (*OUTAGES, django.db.Error, psycopg.Error, RedisError)
NO_EFFECT = (*AWAY, EmbeddedError, OSError)
"""What a fault may fail with, when another fault of the seed was faster."""

T = TypeVar("T")


@dataclass
class Timeline:
    """The happenings of a seed, from its start on."""

    started_at: float = field(default_factory=time.monotonic)
    happenings: list[Happening] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The time since it started."""
        return time.monotonic() - self.started_at

    def add(self, text: str) -> None:
        """Note what happens now."""
        self.happenings.append(Happening(round(self.seconds, 2), text))


@dataclass(frozen=True, slots=True)
class Evidence:
    """The rows that a seed is judged by.

    Attributes:
        recovered_at: when the stream had recovered, on the monotonic clock.
        stream: its rows then.
        oracle: those of the undisturbed reading.
        differences: between the two.
    """

    recovered_at: float
    stream: Rows
    oracle: Rows
    differences: Sequence[Difference]


class NotRecoveredError(Exception):
    """The stream did not recover in time; the message says what is missing."""


class Conductor:
    """The conductor of seeds, one after the other, against one running stack.

    Args:
        stage: what faults may touch.
        loop: tends the processes while a seed waits.
        show: shows in a line what the present seed is at.
    """

    def __init__(self, stage: Stage, loop: RunLoop, show: Callable[[str], None]) -> None:
        self._stage = stage
        self._loop = loop
        self._show = show
        self.timeline = Timeline()

    def conduct(self, seed: int, strikes: Sequence[Strike]) -> tuple[SeedResult, Evidence | None]:
        """Let faults strike, and see what becomes of the stream.

        Raises:
            InterruptedRunError: the run is to stop; the faults have ended.
        """
        self.timeline = Timeline()
        since, before = datetime.now(UTC), self._stage.starts()
        known = self._ask(mark, time.monotonic() + PATIENCE_SECONDS)
        market = self._stage.feeds.market
        market.thaw()
        ended = self._strike(strikes)
        frozen_at, ended_at = market.freeze(), time.monotonic()
        self.timeline.add("the faults have ended, the answers are frozen")
        problem, evidence = "", None
        try:
            evidence = self._recover(frozen_at, ended_at + PATIENCE_SECONDS)
        except (NotRecoveredError, OracleError) as error:
            problem = str(error)
        may_wait = any(FAULTS[name].kind.leaves_letters for name in ended)
        left = self._letters(since, ended_at + PATIENCE_SECONDS, may_wait=may_wait)
        restarts = self._stage.starts() - before
        unsound = self._unsound(known, ended_at + PATIENCE_SECONDS, restarts)
        recovery = None if evidence is None else round(evidence.recovered_at - ended_at, 2)
        result = SeedResult(
            seed=seed,
            faults=tuple(ended),
            timeline=tuple(self.timeline.happenings),
            recovery_seconds=recovery,
            rows=evidence.oracle.count() if evidence else 0,
            differences=tuple(evidence.differences) if evidence else (),
            letters=dict(left.counts),
            waiting=() if may_wait else left.waiting,
            unsound=tuple(unsound),
            restarts=dict(restarts),
            seconds=round(self.timeline.seconds, 2),
            problem=problem,
        )
        return result, evidence

    def _strike(self, strikes: Sequence[Strike]) -> list[str]:
        """Let the faults strike and end; return their names in the order in which they ended."""
        due = [(strike.at_seconds, False, strike) for strike in strikes]
        due += [(strike.ends_at_seconds, True, strike) for strike in strikes]
        ended: list[str] = []
        with ExitStack() as faults:
            active = {strike.fault: faults.enter_context(ExitStack()) for strike in strikes}
            for at_seconds, is_end, strike in sorted(due, key=lambda each: each[:2]):
                self._show(", ".join(each.fault for each in strikes))
                self._loop.wait(at_seconds - self.timeline.seconds)
                if is_end:
                    self._end(strike, active[strike.fault])
                    ended.append(strike.fault)
                else:
                    self._begin(strike, active[strike.fault])
        return ended

    def _begin(self, strike: Strike, fault: ExitStack) -> None:
        try:
            context = FAULTS[strike.fault].strike(self._stage, strike.choice)
            victim = fault.enter_context(context)
        except NO_EFFECT as error:
            self.timeline.add(f"{strike.fault}: it had no effect: {error}")
            return
        lasts = f", for {strike.lasts_seconds:g} s" if strike.lasts_seconds else ""
        self.timeline.add(f"{strike.fault}: {victim}{lasts}")

    def _end(self, strike: Strike, fault: ExitStack) -> None:
        try:
            fault.close()
        except NO_EFFECT as error:
            self.timeline.add(f"{strike.fault}: its end failed: {error}")
        else:
            self.timeline.add(f"{strike.fault}: ended")

    def _recover(self, frozen_at: datetime, deadline: float) -> Evidence:
        """Wait until nothing is behind, and read both sides until they agree.

        They are read again when they differ: the start of an event passes, for example, between
        the stream's valuation and the oracle's. The recovery ends with the reading that agrees.

        Raises:
            NotRecoveredError: something is still behind.
            OracleError: there is nothing to compare with.
        """
        recovered_at = self._caught_up(frozen_at, deadline)
        self.timeline.add("nothing is behind")
        urls = {key: server.base_url for key, server in self._stage.feeds.servers.items()}
        while True:
            self._show("reading the same answers undisturbed")
            oracle = self._ask(lambda: read_undisturbed(self._stage.config, urls), deadline)
            read_at = time.monotonic()
            stream = self._ask(read_rows, deadline)
            found = differences(stream, oracle)
            self.timeline.add(f"{oracle.count()} rows are compared, {len(found)} differ")
            if not found or time.monotonic() > deadline:
                return Evidence(recovered_at, stream, oracle, found)
            self._loop.wait(_LOOK_SECONDS)
            recovered_at = max(recovered_at, read_at)

    def _caught_up(self, frozen_at: datetime, deadline: float) -> float:
        """Wait until nothing is behind; return when that was."""
        while True:
            left = self._ask(lambda: behind(frozen_at), deadline)
            if left.is_nothing:
                return time.monotonic()
            self._show(f"recovering: {left}")
            if time.monotonic() > deadline:
                raise NotRecoveredError(f"Not recovered after {PATIENCE_SECONDS:.0f} s: {left}.")
            self._loop.wait(_LOOK_SECONDS)

    def _letters(self, since: datetime, deadline: float, *, may_wait: bool) -> Letters:
        """Wait until no letter waits, unless they may; those of deliveries are replayed."""
        home = self._stage.config.home

        def look() -> Letters:
            replay_missed()
            return letters(since, home)

        while True:
            try:
                found = self._ask(look, deadline)
            except NotRecoveredError as error:
                return Letters(Counter(), (str(error),))
            if may_wait or not found.waiting or time.monotonic() > deadline:
                return found
            self._show(f"{len(found.waiting)} letters wait")
            self._loop.wait(_LOOK_SECONDS)

    def _unsound(self, known: Mark, deadline: float, restarts: Counter[str]) -> Sequence[str]:
        """Wait until each failure has its letter; return what is wrong with that."""
        home = self._stage.config.home

        def look() -> Sequence[str]:
            return unsound_letters(
                read_witness(home),
                read_ends(known),
                known.ends,
                self._stage.workers(),
                may_lack=any(restarts[name] for name in WORKERS),
            )

        while True:
            try:
                found = self._ask(look, deadline)
            except NotRecoveredError as error:
                return [str(error)]
            if not found or time.monotonic() > deadline:
                return found
            self._show(found[0])
            self._loop.wait(_LOOK_SECONDS)

    def _ask(self, question: Callable[[], T], deadline: float) -> T:
        """Ask a server that may still be away.

        Raises:
            NotRecoveredError: it is away until the deadline.
        """
        while True:
            try:
                return self._loop.do(question)
            except AWAY as error:
                if time.monotonic() > deadline:
                    raise NotRecoveredError(f"A server does not answer: {error}") from error
            self._loop.wait(_LOOK_SECONDS)
