"""Cores and boards: one table file each in `cores/` and `boards/`, every figure with its source.

A figure is written `name = [value, kind, source]`, where kind says how it is known:

* measured: somebody ran an instruction benchmark on the silicon (the source says who);
* documented: the vendor or a compiler's pipeline description says so;
* fitted: chosen so that published latencies of whole networks come out;
* assumed: nothing better was found.
"""

from __future__ import annotations

import difflib
import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = ("measured", "documented", "fitted", "assumed")
ISAS = ("armv7", "aarch64")
PIPELINES = ("in-order", "out-of-order")

_FOLDER = Path(__file__).parent

CORE_FIGURES = (
    "issue_width",
    "mispredict_cycles",
    "fma_addend_latency",
    "vector_bits",
    "vector_registers",
    "peak_flops_per_cycle",
    "l1d_bytes",
    "l1d_ways",
    "mshrs",
    "prefetch_streams",
    "prefetch_distance",
    "prefetch_training",
    "store_buffer_lines",
    "write_stream_lines",
)
PIPELINE_FIGURES = {
    "in-order": ("lone_load_bytes", "fma_load_gap", "to_vector_per_cycle"),
    "out-of-order": ("uop_width", "reorder_buffer", "queue_entries"),
}
BOARD_FIGURES = (
    "cores",
    "clock_hz",
    "l2_bytes",
    "l2_ways",
    "l2_cycles",
    "dram_ns",
    "dram_mb_per_s",
    "fork_join_ns",
)
# What costs time alike; the emulator's decoder sorts every instruction into one of these.
INSTRUCTION_CLASSES = (
    *("nop", "alu", "alu_shift", "mul", "mul64", "div", "branch", "load", "store"),
    *("vload", "vload_lane", "vstore", "fma", "fadd", "fmul", "fdiv", "vmisc", "vmul"),
    *("to_vector", "from_vector", "convert", "prefetch", "writeback"),
)
# Those with a figure of their own for 128-bit operations; left out, it equals the 64-bit one.
QUAD_CLASSES = (
    *("vload", "vstore", "fma", "fadd", "fmul", "fdiv", "vmisc", "vmul", "to_vector", "convert"),
)
MAX_PIPES = 8
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


@dataclass(frozen=True)
class Core:
    """A core type with the instruction set it runs.  Bytes, bits and cycles; FLOP per cycle."""

    name: str
    title: str
    isa: str
    usual_board: str
    pipeline: str
    llvm: Mapping[str, Any]
    figures: Mapping[str, Figure] = field(repr=False)
    pipes: Mapping[str, int] = field(repr=False)
    timing: Mapping[str, Instruction] = field(repr=False)
    quad_timing: Mapping[str, Instruction] = field(repr=False)

    @property
    def peak_flops_per_cycle(self) -> int:
        return self.figures["peak_flops_per_cycle"].value

    @property
    def vector_bits(self) -> int:
        """Width of the floating-point datapath, which may be less than a register's 128."""
        return self.figures["vector_bits"].value

    @property
    def vector_registers(self) -> int:
        """128-bit registers the instruction set names."""
        return self.figures["vector_registers"].value

    @property
    def l1d_bytes(self) -> int:
        return self.figures["l1d_bytes"].value


@dataclass(frozen=True)
class Board:
    """A board: cores of one type, clock, shared L2, memory."""

    name: str
    title: str
    core: Core
    figures: Mapping[str, Figure] = field(repr=False)

    @property
    def cores(self) -> int:
        return self.figures["cores"].value

    @property
    def clock_hz(self) -> int:
        return self.figures["clock_hz"].value

    @property
    def l2_bytes(self) -> int:
        return self.figures["l2_bytes"].value


def cores() -> list[str]:
    """Names of all cores, sorted."""
    return sorted(path.stem for path in (_FOLDER / "cores").glob("*.toml"))


def boards() -> list[str]:
    """Names of all boards, sorted."""
    return sorted(path.stem for path in (_FOLDER / "boards").glob("*.toml"))


@functools.cache
def core(name: str) -> Core:
    if name not in cores():
        raise HardwareError(_unknown("core", name, cores()))
    return load_core(_FOLDER / "cores" / f"{name}.toml")


@functools.cache
def board(name: str) -> Board:
    if name not in boards():
        raise HardwareError(_unknown("board", name, boards()))
    return load_board(_FOLDER / "boards" / f"{name}.toml")


def resolve(target: str) -> Board:
    """The board of this name, or the usual board of the core of this name."""
    if target in boards():
        return board(target)
    if target in cores():
        return board(core(target).usual_board)
    raise HardwareError(_unknown("core or board", target, cores() + boards()))


def load_core(path: Path) -> Core:
    table = _Table(path)
    pipeline = table.choice("pipeline", PIPELINES)
    pipes = table.section("pipes")
    if not pipes or len(pipes) > MAX_PIPES or not all(_is_integer(q) for q in pipes.values()):
        raise table.error(f"[pipes] needs 1 to {MAX_PIPES} lines `name = queue number`")
    quad_lines = dict(table.section("instructions").get("quad", {}))
    lines = {k: v for k, v in table.section("instructions").items() if k != "quad"}
    timing = table.instructions("instructions", lines, INSTRUCTION_CLASSES, pipes)
    table.require("instructions", lines, INSTRUCTION_CLASSES)
    own_quads = table.instructions("instructions.quad", quad_lines, QUAD_CLASSES, pipes)
    loaded = Core(
        name=path.stem,
        title=table.text("title"),
        isa=table.choice("isa", ISAS),
        usual_board=table.text("usual_board"),
        pipeline=pipeline,
        llvm=table.section("llvm"),
        figures=table.figures((*CORE_FIGURES, *PIPELINE_FIGURES[pipeline])),
        pipes=pipes,
        timing=timing,
        quad_timing={name: own_quads.get(name, timing[name]) for name in QUAD_CLASSES},
    )
    table.finish()
    return loaded


def load_board(path: Path) -> Board:
    table = _Table(path)
    loaded = Board(
        name=path.stem,
        title=table.text("title"),
        core=core(table.text("core")),
        figures=table.figures(BOARD_FIGURES),
    )
    table.finish()
    return loaded


def _unknown(what: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
    return f"unknown {what} {name!r}; {hint}"


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class _Table:
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
            if not isinstance(line, list) or len(line) != 3 or not _is_integer(line[0]):
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
            good = isinstance(line, list) and len(line) == 4 and _is_integer(line[0])
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
                raise self.error(_unknown(f"name in {section}:", name, sorted(names)))

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
                raise HardwareError(_unknown("pipe", name, pipes))
        result.append((tuple(names.split("|")), int(digits), is_bytes))
    if len(result) > MAX_UOPS:
        raise HardwareError(f"more than {MAX_UOPS} micro-operations")
    return result
