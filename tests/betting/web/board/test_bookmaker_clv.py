"""A bookmaker's closing line value beside its edges."""

from __future__ import annotations

import pytest
from django.test import Client

from betting.models import Bookmaker
from betting.web.board import bookmaker_clv
from betting.web.board.bookmaker_clv import clv_by_bookmaker
from tests.support import rows
from valuation.closes.statistics import ENOUGH

pytestmark = pytest.mark.django_db


def judge(bookmaker: Bookmaker, clv: float, number: int = ENOUGH) -> None:
    """So many past edges at a bookmaker, each of an event of its own, worth about that much."""
    for place in range(number):
        market = rows.make_market(rows.make_event())
        quote = rows.make_quote(
            rows.make_outcome(market, "Over"), rows.make_feed(), bookmaker=bookmaker
        )
        edge = rows.close(rows.make_edge(quote))
        rows.make_edge_closing(edge, clv + place % 3 * 0.001)


def page(reader: Client) -> str:
    return reader.get("/", {"tab": "before", "seen": "0"}).content.decode()


def test_it_stands_beside_the_bookmakers_edges(board: rows.Board, reader: Client) -> None:
    judge(board.quotes[0].bookmaker, 0.02)
    shown = page(reader)
    assert "CLV +2.1 %" in shown
    assert f"{ENOUGH} edges of the past 90 days" in shown
    assert "loses</span>" not in shown


def test_an_edge_at_a_losing_bookmaker_is_marked(board: rows.Board, reader: Client) -> None:
    judge(board.quotes[0].bookmaker, -0.05)
    shown = page(reader)
    assert "CLV −4.9 %" in shown
    assert "loses</span>" in shown


def test_with_too_few_edges_nothing_is_said(board: rows.Board, reader: Client) -> None:
    judge(board.quotes[0].bookmaker, -0.05, ENOUGH - 1)
    assert "CLV" not in page(reader)


def test_it_is_kept_for_a_while(board: rows.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    bookmaker = board.quotes[0].bookmaker
    assert clv_by_bookmaker() == {}
    monkeypatch.setattr(bookmaker_clv, "KEPT_SECONDS", 3600.0)
    judge(bookmaker, 0.02)
    assert clv_by_bookmaker() == {}
    monkeypatch.setattr(bookmaker_clv, "KEPT_SECONDS", 0.0)
    assert set(clv_by_bookmaker()) == {bookmaker.key}
