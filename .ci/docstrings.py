"""Refuses unclear wording in docstrings and texts: see CONTRIBUTING.md, "Language".

A text is a string of several words: a log message, a help text, an error, a page's words.
Run by `make check`. Prints each finding as ``path:line: text``, and exits with 1 if there is any.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = ("betting", "streaming", "valuation")

OPENERS = re.compile(r"(What|Whether|How|Who|From|Whatever|Whoever)\b")
"""First words of a question, where a docstring's first line names its subject or commands."""

RIDDLES = re.compile(
    r"\b(told|[Ww]hoever|[Ww]hatever|mends?|mended|anew|hears?|heard|bears)\b"
    r"|nobody's business|so much as|no longer does|goes by|\bthe one\b.{,60}\bthe other\b",
    re.DOTALL,
)
"""Words that stood for too many things."""

CODE = re.compile(r"\b(SELECT|INSERT|UPDATE|FROM|redis\.call)\b")
"""Words of SQL and Lua, whose names and comments are no texts."""


def findings(path: Path) -> Iterator[str]:
    """Yield what is wrong with a module's docstrings and texts."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found = OPENERS.match(ast.get_docstring(node) or "")
            line = node.body[0].lineno if node.body else 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            found = None if CODE.search(node.value) else RIDDLES.search(node.value)
            line = node.lineno
        else:
            continue
        if found:
            yield f"{path.relative_to(CHECKOUT)}:{line}: a text with {found[0]!r}"


def main() -> int:
    """Check all modules that are not migrations."""
    modules = (
        path
        for package in PACKAGES
        for path in sorted((CHECKOUT / package).rglob("*.py"))
        if "migrations" not in path.parts
    )
    found = [line for path in modules for line in findings(path)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
