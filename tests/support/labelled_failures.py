"""Failures of known causes, as tasks, wrappers, retries and deployments vary them; by seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from streaming.core.letters import Kind, Letter


@dataclass(frozen=True, slots=True)
class KnownCause:
    """A cause of failures.

    Attributes:
        message: what is said, with `{id}`, `{name}` and `{seconds}` for what differs.
        path: the functions it passes through beneath its task.
        tasks: the tasks that run into it.
    """

    exception: str
    message: str
    path: tuple[str, ...]
    tasks: tuple[str, ...]


RECOMPUTES = ("valuation.recompute_markets", "streaming.sweep", "valuation.close_markets")
POLLS = ("streaming.poll_provider", "streaming.poll_event")
EXECUTE = ("django/backends/utils.py:execute", "psycopg/cursor.py:execute")
SOCKET = ("urllib3/connection.py:connect", "urllib3/util.py:create_connection")

CAUSES = (
    # one cause behind many tasks
    KnownCause("psycopg.OperationalError", "connection to server at {name} port {id} failed",
               ("hardline/db.py:cursor", "psycopg/connection.py:connect"), RECOMPUTES + POLLS),
    KnownCause("psycopg.errors.DeadlockDetected", "deadlock detected: process {id} waits for {id}",
               ("valuation/recompute.py:write", *EXECUTE), RECOMPUTES),
    # the same exception out of the same library, of different causes
    KnownCause("psycopg.errors.UniqueViolation", "duplicate key violates {name}: market {id}",
               ("ingest/markets.py:insert_markets", *EXECUTE), POLLS),
    KnownCause("psycopg.errors.UniqueViolation", "duplicate key violates {name}: edge {id}",
               ("valuation/edges.py:open_edges", *EXECUTE), RECOMPUTES),
    KnownCause("psycopg.errors.QueryCanceled", "canceling statement due to statement timeout",
               ("retention/prune.py:delete_rows", *EXECUTE), ("streaming.prune",)),
    KnownCause("psycopg.errors.QueryCanceled", "canceling statement due to statement timeout",
               ("valuation/recompute.py:load_quotes", *EXECUTE), RECOMPUTES),
    # the same place, of different causes
    KnownCause("builtins.ValueError", "market {id} has an overround of {seconds} below one",
               ("valuation/devig.py:fair_prices", "valuation/devig.py:solve"), RECOMPUTES),
    KnownCause("builtins.ValueError", "no convergence after {id} steps",
               ("valuation/devig.py:fair_prices", "valuation/devig.py:solve"), RECOMPUTES),
    # the same words in different places
    KnownCause("builtins.KeyError", "{name}",
               ("providers/odds_api.py:decode", "providers/odds_api.py:market_of"), POLLS),
    KnownCause("builtins.KeyError", "{name}",
               ("valuation/consensus.py:weigh", "valuation/consensus.py:weight_of"), RECOMPUTES),
    KnownCause("httpx.ReadTimeout", "no answer of {name} within {seconds} s",
               ("polling/request.py:fetch", *SOCKET), POLLS),
    KnownCause("httpx.ReadTimeout", "no answer of {name} within {seconds} s",
               ("notifications/webhooks.py:post", *SOCKET), ("streaming.deliver",)),
    KnownCause("builtins.RecursionError", "maximum recursion depth exceeded",
               ("matching/names.py:merge",), ("streaming.match_events", "streaming.sweep")),
    KnownCause("builtins.AttributeError", "{name} object has no attribute {name}",
               ("alerts/render.py:lines",), ("streaming.send_alerts",)),
)  # fmt: skip
WRAPPERS = ("betting/db/retries.py:retry", "contextlib.py:inner", "streaming/locks.py:held",
            "betting/logs/operations.py:operation")  # fmt: skip
CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"


def labelled_failures(seed: int, number: int = 300) -> list[tuple[int, Letter]]:
    """Return failures with the index of their cause; some causes are frequent, some rare."""
    chance = random.Random(seed)
    shares = [chance.paretovariate(1.0) for _ in CAUSES]
    picked = chance.choices(range(len(CAUSES)), shares, k=number)
    return [(index, _letter(CAUSES[index], chance)) for index in picked]


def _letter(cause: KnownCause, chance: random.Random) -> Letter:
    task = chance.choice(cause.tasks)
    message = cause.message.format(
        id=chance.randrange(1, 10**6),
        name=repr(chance.choice(("h2h", "spreads", "totals", "main", "eu-1"))),
        seconds=round(chance.uniform(0.1, 30), 1),
    )
    path = list(cause.path)
    if cause.exception.endswith("RecursionError"):
        path *= chance.randrange(3, 40)
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        path.insert(chance.randrange(len(path)), chance.choice(WRAPPERS))
    if chance.random() < 0.15:  # another version of the code: its last function was renamed
        path[-1] += "_inner"
    name = task.rpartition(".")[2]
    outer = ["celery/app/trace.py:__protected_call__", f"streaming/tasks.py:{name}"]
    text = _traceback([*outer, *path], cause.exception, message, chance)
    exception = cause.exception
    if chance.random() < 0.15:  # raised from the cause, by what gave up on it
        exception, said = "streaming.errors.GaveUp", f"gave up after {chance.randrange(2, 9)} tries"
        text += CAUSED + _traceback(outer, exception, said, chance)
        message = said
    return Letter(
        kind=Kind.EXCEPTION, task=task, exception=exception, message=message, traceback=text
    )


def _traceback(frames: list[str], exception: str, message: str, chance: random.Random) -> str:
    lines = ["Traceback (most recent call last):"]
    for frame in frames:
        path, _, function = frame.partition(":")
        line = chance.randrange(1, 900)
        lines += [f'  File "/srv/app/{path}", line {line}, in {function}', "    call()"]
    return "\n".join([*lines, f"{exception.removeprefix('builtins.')}: {message}", ""])
