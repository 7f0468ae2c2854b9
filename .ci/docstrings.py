"""Refuses docstrings that do not say plainly what they are about: see CONTRIBUTING.md, "Language".

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
    r"\b(told|whoever|whatever|mends?|mended|anew|heard|bears)\b|nobody's business|so much as",
    re.IGNORECASE,
)
"""Words that stood for too many things."""


def findings(path: Path) -> Iterator[str]:
    """Yield what is wrong with a module's docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node) or ""
        line = node.body[0].lineno if node.body else 1
        for found in (OPENERS.match(text), RIDDLES.search(text)):
            if found:
                yield f"{path.relative_to(CHECKOUT)}:{line}: a docstring with {found[0]!r}"


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
