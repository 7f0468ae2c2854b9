"""The Saturdays of releases: keeping one, and the table of all."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from betting.config import CHECKOUT
from streaming.benchmark.results.document import decode, encode
from streaming.benchmark.results.markdown import RELEASES as MARKS
from streaming.benchmark.results.markdown import put_into
from streaming.benchmark.results.releases import PROFILE, in_order, markdown, saturdays_of
from streaming.management.benchmark_actions.base import Action

DOCUMENT = CHECKOUT / "docs" / "benchmarks" / "README.md"
DIRECTORY = DOCUMENT.parent / "releases"
FILE = f"{PROFILE}.json"


def _add_releases(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--keep", nargs=2, metavar=("RELEASE", "RESULT"),
        help=f"first store the {PROFILE} of a result under docs/benchmarks/releases",
    )  # fmt: skip


def _releases(options: dict[str, Any], out: OutputWrapper) -> None:
    if options["keep"]:
        _keep(*options["keep"])
    results = {path.parent.name: decode(path.read_bytes()) for path in DIRECTORY.glob(f"*/{FILE}")}
    if not results:
        raise CommandError(f"{DIRECTORY} has no result; --keep stores one.")
    text = put_into(DOCUMENT.read_text("utf-8"), markdown(results), MARKS)
    DOCUMENT.write_text(text, "utf-8")
    out.write(f"{DOCUMENT} has the Saturdays of {', '.join(in_order(results))}.")


def _keep(release: str, result: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*", release):
        raise CommandError(f"{release} is no name of a release, such as 0.3.0 or unreleased.")
    kept = saturdays_of(decode(Path(result).read_bytes()))
    path = DIRECTORY / release / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(kept))


RELEASES = Action("releases", "write the Saturdays of releases into docs", _add_releases, _releases)
