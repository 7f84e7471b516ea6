"""Reading one table file of a core or board: types, unknown names, missing figures, sources.

A figure is written `name = [value, kind, source]`, where kind says how it is known:

* measured: somebody ran an instruction benchmark on the silicon (the source says who);
* documented: the vendor or a compiler's pipeline description says so;
* fitted: chosen so that published latencies of whole networks come out;
* assumed: nothing better was found.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = ("measured", "documented", "fitted", "assumed")
MAX_UOPS = 4


class HardwareError(ValueError):
    """An unknown core or board, or a table that cannot be used."""


@dataclass(frozen=True)
class Figure:
    value: int
    kind: str
    source: str


@dataclass(frozen=True)
class Instruction:
    """Timing of one class: result latency in cycles, micro-operations as written in the table."""

    latency: int
    uops: str
    kind: str
    source: str


def unknown(what: str, name: str, known: list[str]) -> str:
    """The message for a wrong name, with the closest right one."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
    return f"unknown {what} {name!r}; {hint}"


def is_whole(value: Any) -> bool:
    """A number that counts something."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class Table:
    """A table file being read; remembers what was read, so that `finish` can refuse the rest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise HardwareError(f"{path}: cannot be read ({error.strerror})") from None
        except tomllib.TOMLDecodeError as error:
            raise HardwareError(f"{path}: not valid TOML: {error}") from None
        self._read: set[str] = {"sources"}
        self._sources = self._data.get("sources", {})

    def error(self, text: str) -> HardwareError:
        return HardwareError(f"{self._path}: {text}")

    def text(self, key: str) -> str:
        self._read.add(key)
        value = self._data.get(key)
        if not isinstance(value, str) or not value:
            raise self.error(f"`{key}` is missing or not a text")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in allowed:
            raise self.error(f"`{key}` is {value!r}; allowed: {', '.join(allowed)}")
        return value

    def section(self, key: str) -> dict[str, Any]:
        self._read.add(key)
        value = self._data.get(key)
        if not isinstance(value, dict):
            raise self.error(f"section [{key}] is missing")
        return value

    def require(self, section: str, found: Mapping[str, Any], names: tuple[str, ...]) -> None:
        missing = [name for name in names if name not in found]
        if missing:
            raise self.error(f"[{section}] lacks {', '.join(missing)}")

    def figures(self, names: tuple[str, ...]) -> dict[str, Figure]:
        lines = self.section("figures")
        self._refuse_unknown("figures", lines, names)
        self.require("figures", lines, names)
        result = {}
        for name, line in lines.items():
            where = f"[figures] {name}"
            if not isinstance(line, list) or len(line) != 3 or not is_whole(line[0]):
                raise self.error(f"{where} must be [value, kind, source], value a whole number")
            self._check_origin(where, line[1], line[2])
            result[name] = Figure(*line)
        return result

    def instructions(
        self,
        section: str,
        lines: Mapping[str, Any],
        names: tuple[str, ...],
        pipes: Mapping[str, int],
    ) -> dict[str, Instruction]:
        self._refuse_unknown(section, lines, names)
        result = {}
        for name, line in lines.items():
            where = f"[{section}] {name}"
            good = isinstance(line, list) and len(line) == 4 and is_whole(line[0])
            if not good or not isinstance(line[1], str) or line[0] < 1:
                raise self.error(f"{where} must be [latency >= 1, uops, kind, source]")
            self._check_origin(where, line[2], line[3])
            try:
                parse_uops(line[1], list(pipes))
            except HardwareError as error:
                raise self.error(f"{where}: {error}") from None
            result[name] = Instruction(*line)
        return result

    def finish(self) -> None:
        self._refuse_unknown("top level", self._data, tuple(self._read))

    def _refuse_unknown(
        self, section: str, found: Mapping[str, Any], names: tuple[str, ...]
    ) -> None:
        for name in found:
            if name not in names:
                raise self.error(unknown(f"name in {section}:", name, sorted(names)))

    def _check_origin(self, where: str, kind: Any, source: Any) -> None:
        if kind not in KINDS:
            raise self.error(f"{where}: kind {kind!r}; allowed: {', '.join(KINDS)}")
        if source not in self._sources:
            raise self.error(f"{where}: source {source!r} is not named in [sources]")


def parse_uops(text: str, pipes: list[str]) -> list[tuple[tuple[str, ...], int, bool]]:
    """`"n0|n1:1, ls:8B"` -> [((n0, n1), 1, False), ((ls,), 8, True)]; True: bytes per cycle."""
    result = []
    for part in (piece.strip() for piece in text.split(",") if piece.strip()):
        names, _, amount = part.partition(":")
        is_bytes = amount.endswith("B")
        digits = amount[:-1] if is_bytes else amount
        if not digits.isdigit() or not 1 <= int(digits) <= 60:
            raise HardwareError(f"{part!r} must be pipes:cycles or pipes:bytesB")
        for name in names.split("|"):
            if name not in pipes:
                raise HardwareError(unknown("pipe", name, pipes))
        result.append((tuple(names.split("|")), int(digits), is_bytes))
    if len(result) > MAX_UOPS:
        raise HardwareError(f"more than {MAX_UOPS} micro-operations")
    return result
