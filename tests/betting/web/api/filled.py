"""Rows of everything that the API lists."""

from __future__ import annotations

from tests.support import rows

LISTS = (
    "events",
    "markets",
    "quotes",
    "bookmakers",
    "fair-prices",
    "edges",
    "arbitrages",
    "middles",
    "providers",
    "circuits",
    "feed-circuits",
    "circuit-transitions",
    "feeds",
    "feed-books",
    "poll-runs",
    "recompute-runs",
    "dead-letters",
    "health-snapshots",
)


def fill(size: int) -> None:
    """`size` rows or more for every list, spread out: no two share a parent."""
    for _ in range(size):
        board = rows.make_board((1.9, 2.1), (2.0, 2.2), voices=3)
        rows.make_opportunity(*board.quotes[2:], gap=1.0)
        rows.make_opportunity(board.quotes[2], board.quotes[1])
        rows.make_edge_closing(rows.close(rows.make_edge(board.quotes[1])))
        rows.make_poll_run(board.provider)
        rows.make_recompute_run()
        rows.make_feed_bookmaker(board.feed, bookmaker=board.quotes[0].bookmaker)
        rows.make_rival(board.quotes[0], 1.8)
        rows.make_circuit(board.provider)
        rows.make_feed_circuit(board.provider)
        rows.make_transition(board.provider)
        rows.make_dead_letter_action(rows.make_dead_letter())
        rows.make_health_snapshot()


def url(name: str) -> str:
    return f"/api/v1/{name}/"
