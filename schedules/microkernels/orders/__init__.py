"""Instruction orders found by `python -m tuner order-search`, one text file a core and tile."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..body import Line

FOLDER = Path(__file__).parent


def path(core: str, mr: int, nr: int, folder: Path = FOLDER) -> Path:
    """Where the order of this core and tile is, or would be."""
    return folder / f"{core}_{mr}x{nr}.json"


@functools.cache
def load(file: Path) -> dict[str, Any] | None:
    """A stored order; None if there is none."""
    return json.loads(file.read_text(encoding="ascii")) if file.exists() else None


def digest(body: Sequence[Line]) -> str:
    """Names a body: an order is a permutation of these very lines."""
    return hashlib.sha256("\n".join(line.text for line in body).encode()).hexdigest()[:16]


def order(core: str, mr: int, nr: int, body: Sequence[Line]) -> list[int] | None:
    """The stored order of `body`'s lines; None where there is none, or only of another body."""
    stored = load(path(core, mr, nr))
    return stored["order"] if stored and stored["body"] == digest(body) else None
