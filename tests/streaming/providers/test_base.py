from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import PermanentFailure
from streaming.providers.base import Authorisation, Request, Secret

MARKETS = st.lists(st.sampled_from(["h2h", "spreads", "totals", "h2h_h1"]), min_size=1)


@given(MARKETS, st.randoms())
def test_a_feed_depends_on_the_set_of_markets_alone(markets: list[str], random: Random) -> None:
    shuffled = random.sample(markets, len(markets))
    one = Request("any", "https://a.example", "/odds", {"markets": ",".join(markets)})
    other = Request(
        "any", "https://b.example", "/odds", {"markets": ",".join(shuffled), "regions": "eu"}
    )
    assert one.feed == other.feed
    assert one.feed.removeprefix("/odds?markets=").split(",") == sorted(set(markets))


def test_a_feed_without_markets_is_its_path() -> None:
    assert Request("any", "https://a.example", "/odds").feed == "/odds"


def test_what_an_answer_lists_tells_feeds_of_one_path_apart() -> None:
    params = {"status": "open", "series_ticker": "KXMLBGAME"}
    request = Request("any", "https://a.example", "/events", params)
    assert request.feed == "/events?series_ticker=KXMLBGAME"


def test_an_address_joins_prefix_path_and_parameters() -> None:
    request = Request("any", "https://a.example/v1/", "/odds", {"markets": "h2h,totals", "q": "ä"})
    assert request.url == "https://a.example/v1/odds?markets=h2h%2Ctotals&q=%C3%A4"


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARDLINE_KEY_ODDS", " abc123\n")
    assert Secret.from_environment("HARDLINE_KEY_ODDS") == Secret("abc123")


def test_a_provider_without_a_key_has_no_secret() -> None:
    assert Secret.from_environment("") is None


def test_a_missing_key_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARDLINE_KEY_ODDS", raising=False)
    with pytest.raises(PermanentFailure) as caught:
        Secret.from_environment("HARDLINE_KEY_ODDS")
    assert caught.value.code == "key_missing"
    assert "HARDLINE_KEY_ODDS" in caught.value.advice


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "schlüssel"])
def test_what_cannot_be_a_key_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HARDLINE_KEY_ODDS", value)
    with pytest.raises(PermanentFailure) as caught:
        Secret.from_environment("HARDLINE_KEY_ODDS")
    assert caught.value.code == "key_malformed"
    assert value not in repr(caught.value)


def test_neither_a_secret_nor_an_authorisation_shows_the_key() -> None:
    secret = Secret("abc123")
    authorisation = Authorisation({"apiKey": "abc123"}, {"X-Key": "abc123"}, secret)
    assert "abc123" not in repr(secret) + str(secret) + repr(authorisation) + f"{authorisation}"


@pytest.mark.parametrize("name", ["DATABASE_URL", "HARDLINE_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"])
def test_a_secret_that_is_no_providers_key_is_never_read(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "postgresql://ana:sekret@db.example/odds")
    with pytest.raises(PermanentFailure) as caught:
        Secret.from_environment(name)
    assert caught.value.code == "key_variable_refused"
    assert "sekret" not in str(caught.value) + caught.value.advice


def test_a_variable_of_another_name_holds_a_key_where_the_installation_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ODDS_KEY", "abc123")
    assert Secret.from_environment("ODDS_KEY", ("ODDS_KEY",)) == Secret("abc123")
