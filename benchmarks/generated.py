"""Parts of pages, and figures, that are made of stored results."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = Path(__file__).with_name("results")
ROOT = Path(__file__).parent.parent


def load(pattern: str) -> list[dict]:
    """The stored results whose file names match, by name."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(pattern))]


def page_with(text: str, mark: str, part: str) -> str:
    """`text` with `part` between the comments that `mark` begins and ends."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, rest = text.split(begin)
    return f"{before}{begin}\n{part}\n{end}{rest.split(end)[1]}"


def update(page: Path, mark: str, part: str) -> None:
    """Write `part` into its place in a file."""
    text = page.read_text(encoding="utf-8")
    page.write_text(page_with(text, mark, part), encoding="utf-8")


def digest(rows: list[dict]) -> str:
    """Tells results apart."""
    return "results " + hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def save(figure: Figure, rows: list[dict], path: Path) -> None:
    """Write an .svg or .png; which results it was drawn of is noted in it."""
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    notes: dict[str, str | None] = {"Description": digest(rows)}
    if path.suffix == ".svg":  # the same file for the same results
        notes["Date"] = None
        pyplot.rcParams["svg.hashsalt"] = "tvm-arm-schedules"
    figure.savefig(path, bbox_inches="tight", dpi=150, metadata=notes)


def is_of(path: Path, rows: list[dict]) -> bool:
    """Whether a figure was drawn of these results."""
    return digest(rows).encode() in path.read_bytes()
