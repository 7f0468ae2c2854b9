"""The commands of the documents, as a reader finds them: what to type, and what is shown for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from betting.config import CHECKOUT

DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "docker/*.md") for path in CHECKOUT.glob(pattern)
)
#: What a block holds by its language: commands with what they show, commands alone, no commands.
TRANSCRIPT, SCRIPT, OTHERS = "console", "sh", ("text", "json", "python", "sql")
PROMPT = "$ "

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: A command with its continuation lines; in a transcript with the lines up to the next one.
_TYPED = re.compile(r"^(?:.*\\\n)*.+\n", re.MULTILINE)
_ANSWERED = re.compile(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: as the fence names it.
        text: its lines.
        line: where they begin in the document, from 1.
    """

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """What a reader types.

    Attributes:
        place: the document and the line, for people.
        text: the command, with its continuation lines and its comment.
        shown: what the document shows as its answer; empty where it shows none.
    """

    place: str
    text: str
    shown: str


def name_of(document: Path) -> str:
    return str(document.relative_to(CHECKOUT))


def blocks(document: Path) -> list[Block]:
    text = document.read_text("utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start(2)) + 1)
        for found in _BLOCK.finditer(text)
    ]


def commands(document: Path) -> list[Command]:
    """Every command of a document, in its order."""
    return [
        Command(f"{name_of(document)}:{block.line + line}", text, shown)
        for block in blocks(document)
        for line, text, shown in _commands(block)
    ]


def _commands(block: Block) -> Iterator[tuple[int, str, str]]:
    """The line within the block, the command, what is shown for it."""
    if block.language == SCRIPT:
        for found in _TYPED.finditer(block.text):
            yield block.text.count("\n", 0, found.start()), found[0].strip(), ""
    elif block.language == TRANSCRIPT:
        for found in _ANSWERED.finditer(block.text):
            yield block.text.count("\n", 0, found.start()), found[1].strip(), found[2].strip()
