"""Results of long runs, kept in the cache folder under all that they depend on."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from schedules.hardware import Board
from tuner.board import build
from tuner.board.emulator import params


def folder() -> Path:
    """Where the results are; deleting it has everything measured again."""
    return build.cache_folder() / "benchmarks"


def kept(
    name: str, board: Board, threads: int, facts: Sequence[object], make: Callable[[], Any]
) -> Any:
    """Return what `make` returned the first time for these arguments: a JSON document.

    Args:
        name: of the file, for people.
        board, threads: what is emulated; its tables count, not its name.
        facts: everything else the result depends on; `repr` must tell them apart.
    """
    digest = hashlib.sha256(_tables(board, threads))
    digest.update(repr((params.MODEL_VERSION, threads, *facts)).encode())
    path = folder() / f"{name}.{board.name}.{digest.hexdigest()[:16]}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    document = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(document, default=_as_list), encoding="utf-8")
    unfinished.replace(path)
    return document


def _as_list(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON")


def _tables(board: Board, threads: int) -> bytes:
    """All figures of the board and its core."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        path = Path(name) / "tables.txt"
        params.write(board, path, threads)
        return path.read_bytes()
