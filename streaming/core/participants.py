"""Names of participants, as providers write them and in the form that is compared.

A *canonical* name is normalised and, where an operator has said that one name stands for another,
replaced by that. Two names mean the same participant when their canonical forms are equal; they
are merely similar when one abbreviates the other or they differ by a letter or two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

#: Words that say what a club is, not which. "United", "City", "Women", "II" or "U21" do.
FILLERS = frozenset({"the", "fc", "cf", "afc", "sc"})

#: Latin letters that do not come apart into a letter and an accent.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"}
)
_ACCENTS = range(0x300, 0x370)  # of Latin, Greek and Cyrillic; other scripts spell with theirs
_INSIDE_WORDS = frozenset(".'’‘`´ʼ")  # "D.C.", "St. Mary's"
_WORD_CATEGORIES = frozenset("LMN")  # letters, marks, digits
#: Last words of women's teams' names, and the word that replaces them.
_WOMEN, _WOMENS = (
    frozenset({"w", "womens", "woman", "ladies", "fem", "femenino", "feminino"}),
    "women",
)
#: Normalised names of participants that are not known yet.
_PLACEHOLDER = re.compile(
    r"tb[acd]|to be (announced|confirmed|decided|determined)|(winner|loser|runner up)( .*)?"
    r"|[wl] ?\d+"
)


class Pair(NamedTuple):
    """The two participants with their roles, in one spelling or another."""

    home: str
    away: str


class Likeness(Enum):
    """The likeness of two pairs of names."""

    EQUAL = "equal"
    SWAPPED = "the same two with home and away swapped"
    SIMILAR = "each equal or similar"
    SIMILAR_SWAPPED = "each equal or similar, with home and away swapped"
    NONE = "different"

    @property
    def is_swapped(self) -> bool:
        """Return True if the home side of one is the away side of the other."""
        return self in {Likeness.SWAPPED, Likeness.SIMILAR_SWAPPED}


def sport_family(sport_key: str) -> str:
    """Return the part of a sport's key that all its competitions share.

    >>> sport_family("americanfootball_nfl"), sport_family("americanfootball")
    ('americanfootball', 'americanfootball')
    """
    return sport_key.partition("_")[0]


@lru_cache(maxsize=16_384)
def normalise(name: str) -> str:
    """Return a name without what providers write differently: case, accents, punctuation, fillers.

    >>> normalise("  The D.C. United FC"), normalise("Bodø/Glimt"), normalise("Saint-Étienne")
    ('dc united', 'bodo glimt', 'saint etienne')
    >>> normalise("Brighton & Hove Albion"), normalise("FC"), normalise("?!")
    ('brighton and hove albion', 'fc', '')
    >>> normalise("Arsenal (W)"), normalise("Arsenal Ladies")
    ('arsenal women', 'arsenal women')
    """
    words = _letters(name).split()
    words = [word for word in words if word not in FILLERS] or words
    if len(words) > 1 and words[-1] in _WOMEN:
        words[-1] = _WOMENS
    return " ".join(words)


def is_placeholder(name: str) -> bool:
    """Return True for a normalised name that stands for a participant not known yet.

    >>> is_placeholder("tbd"), is_placeholder("winner of match 3"), is_placeholder("winnipeg jets")
    (True, True, False)
    """
    return _PLACEHOLDER.fullmatch(name) is not None


def shares_a_side(one: Pair, other: Pair) -> bool:
    """Return True if one participant is in both pairs, on whichever side. Symmetric."""
    return not {*one}.isdisjoint({*other})


def _letters(name: str) -> str:
    # Case first and last: folding yields letters with accents, and accents hide letters from it.
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name.casefold()).casefold())
    plain = "".join(char for char in apart if ord(char) not in _ACCENTS).translate(_LETTERS)
    joined = unicodedata.normalize("NFC", plain.replace("&", " and "))
    return "".join(map(_in_word, joined))


def _in_word(char: str) -> str:
    if char in _INSIDE_WORDS:
        return ""
    return char if unicodedata.category(char)[0] in _WORD_CATEGORIES else " "


def canonical(name: str, aliases: Mapping[str, str]) -> str:
    """Return the name that all spellings of a participant share.

    Args:
        name: as a provider writes it, or normalised.
        aliases: normalised name → the normalised name that it stands for, which may stand for
            another in turn.

    >>> canonical("Cincinnati", {"cincinnati": "cincinnati bengals"})
    'cincinnati bengals'
    """
    known = normalise(name)
    passed = {known}
    while (following := aliases.get(known, known)) not in passed:
        passed.add(following)
        known = following
    # A loop of names that stand for each other has no end: its least member serves all of them.
    return known if following == known else _least_of_loop(known, aliases)


def _least_of_loop(name: str, aliases: Mapping[str, str]) -> str:
    loop = [name]
    while (following := aliases[loop[-1]]) != name:
        loop.append(following)
    return min(loop)


def canonical_pair(pair: Pair, aliases: Mapping[str, str]) -> Pair:
    """Return both names in their canonical form."""
    return Pair(canonical(pair.home, aliases), canonical(pair.away, aliases))


def likeness(one: Pair, other: Pair, similar_ratio: float) -> Likeness:
    """Compare two pairs of canonical names. Symmetric.

    Both names may be abbreviated; a misspelt one is recognised only beside one that is equal.

    >>> likeness(Pair("gulls", "otters"), Pair("otters", "gulls"), 0.85).name
    'SWAPPED'
    >>> likeness(Pair("new york g", "dallas"), Pair("new york giants", "dallas cowboys"), 0.85).name
    'SIMILAR'
    """
    swapped = Pair(other.away, other.home)
    if one == other:
        return Likeness.EQUAL
    if one == swapped:
        return Likeness.SWAPPED
    if _are_similar(one, other, similar_ratio):
        return Likeness.SIMILAR
    if _are_similar(one, swapped, similar_ratio):
        return Likeness.SIMILAR_SWAPPED
    return Likeness.NONE


def _are_similar(one: Pair, other: Pair, ratio: float) -> bool:
    if one.home == other.home or one.away == other.away:
        return all(
            a == b or abbreviates(a, b) or _resembles(a, b, ratio)
            for a, b in zip(one, other, strict=True)
        )
    return all(abbreviates(a, b) for a, b in zip(one, other, strict=True))


def abbreviates(one: str, other: str) -> bool:
    """Return True if one name is an abbreviation of the other. Symmetric.

    Each word of the shorter is the beginning of a different word of the longer, or its first word
    is the initials of the longer's first words.

    >>> abbreviates("cincinnati", "cincinnati bengals"), abbreviates("michigan st", "ohio state")
    (True, False)
    >>> abbreviates("la clippers", "los angeles clippers"), abbreviates("qpr", "queens park rgrs")
    (True, True)
    """
    if _has_initials(one, other) or _has_initials(other, one):
        return True
    shorter, longer = sorted((one.split(), other.split()), key=_size)
    left = list(longer)
    for word in sorted(shorter, key=len, reverse=True):
        begun = next((each for each in left if each.startswith(word)), None)
        if begun is None:
            return False
        left.remove(begun)
    return bool(shorter)


def _has_initials(short: str, long: str) -> bool:
    """Return True if the first word of one name is the initials of the other's first words."""
    (first, *rest), words = short.split() or [""], long.split()
    initials = "".join(word[0] for word in words[: len(first)])
    return len(first) > 1 and first == initials and rest == words[len(first) :]


def _size(words: list[str]) -> tuple[int, int]:
    return len(words), sum(map(len, words))


def _resembles(one: str, other: str, ratio: float) -> bool:
    # The ratio depends on the order of its arguments; the comparison must not.
    first, second = sorted((one, other))
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= ratio


@dataclass(frozen=True, slots=True)
class Spelling:
    """The translation of a provider's names into those of an event.

    Attributes:
        names: the provider's name of a participant → the event's; other names stay as they are.
        is_swapped: the provider's home side is the event's away side.
    """

    names: Mapping[str, str]
    is_swapped: bool = False


VERBATIM = Spelling({})
"""The spelling of the provider whose names the event has."""


def spelling(own: Pair, words: Pair, aliases: Mapping[str, str]) -> Spelling | None:
    """Return how to turn a provider's names into the event's.

    Args:
        own: the event's names.
        words: the provider's names of the same two.
        aliases: see `canonical`.

    Returns:
        The spelling; None when these are not the same two.

    >>> spelling(Pair("FC Gulls", "Otters"), Pair("OTTERS", "Gulls"), {})
    Spelling(names={'OTTERS': 'Otters', 'Gulls': 'FC Gulls'}, is_swapped=True)
    """
    theirs, ours = canonical_pair(words, aliases), canonical_pair(own, aliases)
    if theirs == ours:
        return Spelling({words.home: own.home, words.away: own.away})
    if theirs == (ours.away, ours.home):
        return Spelling({words.home: own.away, words.away: own.home}, is_swapped=True)
    return None
