from __future__ import annotations

import pytest

from streaming.core.failures import DataFailure
from streaming.providers.kalshi.contracts import Contract, moneyline, spread, total
from streaming.providers.kalshi.listing import parse_ticker


@pytest.mark.parametrize(
    ("ticker", "pair", "contract"),
    [
        ("KXMLBGAME-26AUG072140LADAZ-LAD", ("AZ", "LAD"), moneyline("LAD")),
        ("KXMLBGAME-26AUG072140LADAZ-AZ", ("AZ", "LAD"), moneyline("AZ")),
        ("KXMLSGAME-26AUG19PORSD-POR", ("POR", "SD"), moneyline("POR")),
        ("KXMLSGAME-26AUG19PORSD-TIE", None, moneyline("Draw")),
        ("KXMLBSPREAD-26AUG072140LADAZ-AZ2", ("AZ", "LAD"), spread("AZ", "LAD", 1.5, is_home=True)),
        ("KXMLBSPREAD-26AUG072140LADAZ-LAD13", ("AZ", "LAD"),
         spread("LAD", "AZ", 12.5, is_home=False)),
        ("KXWNBATOTAL-26AUG07GSDAL-151", None, total(150.5)),
    ],
)  # fmt: skip
def test_a_ticker_says_what_yes_and_no_bet_on(
    ticker: str, pair: tuple[str, str] | None, contract: Contract
) -> None:
    listed = parse_ticker(ticker)
    assert listed is not None
    assert (listed.pair, listed.contract) == (pair, contract)


@pytest.mark.parametrize(
    "ticker", ["", "-", "KXBTCD-26FEB07-T98000", "KXNBA-27-BOS", "KXMLBHR-26AUG072140LADAZ-X"]
)
def test_what_is_no_game_of_a_known_league_is_passed_over(ticker: str) -> None:
    assert parse_ticker(ticker) is None


@pytest.mark.parametrize(
    "ticker",
    ["KXMLBGAME-LAD", "KXMLBGAME-26AUG072140LADAZ-", "KXMLBGAME-26AUG072140LADAZ-NYY",
     "KXMLBGAME-26AUG072140LADAZ-lad", "KXMLBSPREAD-26AUG072140LADAZ-LAD",
     "KXMLBSPREAD-26AUG072140LADAZ-LAD0", "KXMLBTOTAL-26AUG072140LADAZ-08",
     "KXMLBTOTAL-26AUG072140LADAZ-8.5", "KXMLBTOTAL-26AUG072140LADAZ-8\n"],
)  # fmt: skip
def test_a_ticker_of_a_known_series_that_makes_no_sense_is_refused(ticker: str) -> None:
    with pytest.raises(DataFailure):
        parse_ticker(ticker)
