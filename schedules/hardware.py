"""Cores and boards: one table file each in `cores/` and `boards/`, every figure with its source."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schedules.hardware_table import (
    KINDS,
    Figure,
    HardwareError,
    Instruction,
    Table,
    is_whole,
    parse_uops,
    unknown,
)

__all__ = [
    "KINDS",
    "Board",
    "Core",
    "Figure",
    "HardwareError",
    "Instruction",
    "board",
    "boards",
    "core",
    "cores",
    "load_board",
    "load_core",
    "parse_uops",
    "resolve",
]

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
    "l1i_bytes",
    "l1i_ways",
    "dtlb_entries",
    "dtlb_miss_cycles",
    "tlb_entries",
    "page_walk_cycles",
    "split_cycles",
    "prefetch_page_bytes",
)
PIPELINE_FIGURES = {
    "in-order": (
        *("lone_load_bytes", "fma_load_gap", "to_vector_per_cycle", "kernel_moves_per_cycle"),
    ),
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

    @property
    def dram_bytes_per_cycle(self) -> float:
        """Of memory, shared by all cores, a cycle of one."""
        return self.figures["dram_mb_per_s"].value * 1e6 / self.clock_hz


def cores() -> list[str]:
    """Names of all cores, sorted."""
    return sorted(path.stem for path in (_FOLDER / "cores").glob("*.toml"))


def boards() -> list[str]:
    """Names of all boards, sorted."""
    return sorted(path.stem for path in (_FOLDER / "boards").glob("*.toml"))


@functools.cache
def core(name: str) -> Core:
    if name not in cores():
        raise HardwareError(unknown("core", name, cores()))
    return load_core(_FOLDER / "cores" / f"{name}.toml")


@functools.cache
def board(name: str) -> Board:
    if name not in boards():
        raise HardwareError(unknown("board", name, boards()))
    return load_board(_FOLDER / "boards" / f"{name}.toml")


def resolve(target: str) -> Board:
    """The board of this name, or the usual board of the core of this name."""
    if target in boards():
        return board(target)
    if target in cores():
        return board(core(target).usual_board)
    raise HardwareError(unknown("core or board", target, cores() + boards()))


def load_core(path: Path) -> Core:
    table = Table(path)
    pipeline = table.choice("pipeline", PIPELINES)
    pipes = table.section("pipes")
    if not pipes or len(pipes) > MAX_PIPES or not all(is_whole(q) for q in pipes.values()):
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
    table = Table(path)
    loaded = Board(
        name=path.stem,
        title=table.text("title"),
        core=core(table.text("core")),
        figures=table.figures(BOARD_FIGURES),
    )
    table.finish()
    return loaded
