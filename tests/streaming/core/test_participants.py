"""Names of participants: what is the same, what is similar, and what turns one into another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.participants import (
    Likeness,
    Pair,
    abbreviates,
    canonical,
    likeness,
    normalise,
    spelling,
)

RATIO = 0.85

words = st.sampled_from(["gulls", "otters", "harbour", "mill", "new", "n", "st", "state", "utd"])
names = st.lists(words, min_size=1, max_size=3).map(" ".join)
pairs = st.builds(Pair, names, names)
alias_tables = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef"))


@given(st.text())
def test_a_normalised_name_stays_as_it_is(name: str) -> None:
    assert normalise(normalise(name)) == normalise(name)


@given(st.text())
def test_case_and_outer_space_say_nothing(name: str) -> None:
    assert normalise(f"  {name.casefold()} ") == normalise(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Harbour Gulls F.C.", "harbour gulls"),
        ("The Harbour Gulls", "Harbour Gulls FC"),
        ("Saint-Gull", "Saint Gull"),
        ("Gull & Otter", "Gull and Otter"),
        ("Tromsø Łódź", "Tromso Lodz"),
        ("Mill Otters’", "Mill Otters"),
        ("STRAẞE", "strasse"),
    ],
)
def test_what_providers_write_differently_is_one_name(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Harbour United", "Harbour City"),
        ("Harbour", "Harbour Women"),
        ("Harbour", "Harbour II"),
        ("Harbour", "Harbour U21"),
        ("Harbour (W)", "Harbour"),
        ("かもめ", "がもめ"),  # the mark is a part of the letter
    ],
)
def test_words_and_letters_that_tell_teams_apart_stay(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(alias_tables, st.sampled_from("abcdef"))
def test_a_name_and_what_it_stands_for_have_one_canonical_form(
    table: dict[str, str], name: str
) -> None:
    """Also through chains, and in loops that no form would have let in."""
    assert canonical(name, table) == canonical(table.get(name, name), table)
    assert canonical(canonical(name, table), table) == canonical(name, table)


@given(pairs, pairs)
def test_likeness_is_symmetric(one: Pair, other: Pair) -> None:
    assert likeness(one, other, RATIO) == likeness(other, one, RATIO)


@given(pairs, pairs)
def test_swapping_one_pair_swaps_the_likeness(one: Pair, other: Pair) -> None:
    straight = likeness(one, other, RATIO)
    swapped = likeness(one, Pair(other.away, other.home), RATIO)
    assert (straight is Likeness.NONE) == (swapped is Likeness.NONE)
    assert not (straight.is_swapped and swapped.is_swapped)


@given(names, names)
def test_abbreviation_is_symmetric_and_holds_of_equal_names(one: str, other: str) -> None:
    assert abbreviates(one, one)
    assert abbreviates(one, other) == abbreviates(other, one)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("mill", "harbour"), ("mill otters", "harbour gulls"), Likeness.SIMILAR),
        (("harbour", "mill"), ("mill otters", "harbour gulls"), Likeness.SIMILAR_SWAPPED),
        (("new mill o", "gulls"), ("new mill otters", "gulls"), Likeness.SIMILAR),
        (("mill oters", "gulls"), ("mill otters", "gulls"), Likeness.SIMILAR),
        (("mill oters", "guls"), ("mill otters", "gulls"), Likeness.NONE),
        (("mill otters", "gulls"), ("mill herons", "gulls"), Likeness.NONE),
    ],
)
def test_abbreviated_names_are_similar_and_a_misspelt_one_beside_an_equal_one(
    one: tuple[str, str], other: tuple[str, str], expected: Likeness
) -> None:
    assert likeness(Pair(*one), Pair(*other), RATIO) is expected


def test_a_providers_words_become_the_events_own_whichever_side_they_stand_on() -> None:
    own = Pair("Harbour Gulls", "Mill Otters")
    aliases = {"harbour": "harbour gulls"}

    straight = spelling(own, Pair("Harbour", "Mill Otters FC"), aliases)
    swapped = spelling(own, Pair("Mill Otters FC", "Harbour"), aliases)

    assert straight is not None
    assert swapped is not None
    expected = {"Harbour": "Harbour Gulls", "Mill Otters FC": "Mill Otters"}
    assert (straight.names, straight.is_swapped) == (expected, False)
    assert (swapped.names, swapped.is_swapped) == (expected, True)


def test_other_participants_have_no_spelling() -> None:
    own = Pair("Harbour Gulls", "Mill Otters")
    assert spelling(own, Pair("Harbour", "Mill Otters"), {}) is None
