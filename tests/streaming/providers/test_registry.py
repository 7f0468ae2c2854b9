from __future__ import annotations

import pytest

from streaming.core.failures import PermanentFailure
from streaming.providers.registry import ADAPTERS, adapter


def test_an_adapter_is_found_by_its_key() -> None:
    assert {adapter(key).key for key in ADAPTERS} == set(ADAPTERS)


def test_a_slip_of_the_pen_is_put_right() -> None:
    with pytest.raises(PermanentFailure) as caught:
        adapter("the_odd_api")
    assert caught.value.code == "unknown_adapter"
    assert caught.value.advice.startswith("Did you mean 'the_odds_api'?")


def test_a_key_like_no_other_gets_the_list() -> None:
    with pytest.raises(PermanentFailure) as caught:
        adapter("xyz")
    assert caught.value.advice == "There are: betfair_stream, recording, the_odds_api."
