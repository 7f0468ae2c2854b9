r"""Removal and escaping of characters that are invisible or mislead, in texts of any origin.

A provider's texts lose them when they are decoded (`cleaned`). Texts that were stored before, or
come from elsewhere, are shown with them spelt out (`escaped`), so that no text moves a terminal's
cursor, sets its title or reads backwards.

Zero-width characters are not among them: some scripts spell words with them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

_UNSEEN = (
    "\x00-\x1f\x7f-\x9f"  # control characters
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of text
    "\u2028\u2029"  # line and paragraph separators
    "\ufff9-\ufffb"  # annotations
    "\ud800-\udfff"  # halves of characters, which no database can hold
)
_ANY = re.compile(f"[{_UNSEEN}]")
_ANY_WITHIN_LINES = re.compile(f"(?![\n\t])[{_UNSEEN}]")
_LINE_ENDS = re.compile("[\t-\r\x1c-\x1e\x85\u2028\u2029]+")


MAX_LINE_CHARS = 200
"""The characters that `one_line` keeps by default."""


def cleaned(text: str) -> str:
    r"""Return the text on one line, without control and direction characters.

    >>> cleaned("\u202eCF livE\x1b[2J"), cleaned("Mill\r\nOtters"), cleaned("Zé\u200b FC")
    ('CF livE[2J', 'Mill Otters', 'Zé\u200b FC')
    """
    words = _ANY.sub("", _LINE_ENDS.sub(" ", text))
    return text if words == text else words.strip()


def escaped(text: str) -> str:
    r"""Return the text on one line, control and direction characters spelt out.

    >>> escaped("\x1b[2JEvil\u202e FC\n")
    '\\x1b[2JEvil\\u202e FC\\n'
    """
    return text if text.isprintable() else _ANY.sub(_spelt, text)


def escaped_lines(text: str) -> str:
    r"""Return the text with its lines and tabs, everything else as `escaped` has it.

    >>> escaped_lines("one\n\ttwo\x07")
    'one\n\ttwo\\x07'
    """
    return text if text.isprintable() else _ANY_WITHIN_LINES.sub(_spelt, text)


def escaped_json(line: str) -> str:
    r"""Return a line of JSON, of equal meaning, with these characters as its escapes.

    >>> escaped_json('{"home":"CF\u202e"}')
    '{"home":"CF\\u202e"}'
    """
    return line if line.isprintable() else _ANY.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _spelt(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def one_line(text: str, max_chars: int = MAX_LINE_CHARS) -> str:
    r"""Return the text on one line, without control characters, cut to a length.

    >>> one_line("  Markets not\n\x00 supported ")
    'Markets not supported'
    """
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:max_chars]


def choices(name: str, known: Collection[str]) -> str:
    """Return the advice on an unknown name: the nearest known one, then all of them.

    >>> choices("kalsi", ["kalshi", "recording"]), choices("zebra", ["kalshi"])
    ("Did you mean 'kalshi'? There are: kalshi, recording.", 'There are: kalshi.')
    """
    nearest = difflib.get_close_matches(name, known, n=1)
    advice = f"Did you mean {nearest[0]!r}? " if nearest else ""
    return f"{advice}There are: {', '.join(known)}."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the tail of a message that names the nearest known name, spelt out, or nothing.

    >>> did_you_mean("HARDLINE_POL_TICK", ["HARDLINE_POLL_TICK", "HARDLINE_HOME"])
    '; did you mean HARDLINE_POLL_TICK?'
    >>> did_you_mean("zebra", ["HARDLINE_HOME"])
    ''
    """
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {escaped(nearest[0])}?" if nearest else ""
