"""From a board's tables to the flat parameter file the emulator reads."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from schedules import hardware

# Goes up whenever the same code may take a different number of cycles than before: a change of
# the model or of any figure in a table.  Printed with every emulated time.
MODEL_VERSION = 3


def write(board: hardware.Board, path: str | os.PathLike[str], threads: int | None = None) -> None:
    """Writes the parameter file of `board`; `threads` limits the cores that parallel loops use."""
    Path(path).write_text(text(board, threads), encoding="ascii")


def text(board: hardware.Board, threads: int | None = None) -> str:
    """The parameter file: one "key value" pair a line (parameters.h names the keys)."""
    lines = {"board": board.name, "core": board.core.name, "model_version": str(MODEL_VERSION)}
    lines |= {key: str(value) for key, value in _core_figures(board.core).items()}
    lines |= {key: str(value) for key, value in _board_figures(board, threads).items()}
    lines |= _instruction_lines(board.core)
    return "".join(f"{key} {value}\n" for key, value in lines.items())


def digest(board: hardware.Board) -> str:
    """Eight hexadecimal digits that change with any figure of the board or its core.

    Comments, titles and sources of the tables do not count, and neither do threads.
    """
    return hashlib.sha256(text(board).encode()).hexdigest()[:8]


def dram_cycles(board: hardware.Board) -> int:
    """Core cycles until a line comes from memory."""
    return round(board.figures["dram_ns"].value * board.clock_hz / 1e9)


def _core_figures(core: hardware.Core) -> dict[str, int]:
    figures = {name: figure.value for name, figure in core.figures.items()}
    names = (
        *("issue_width", "mispredict_cycles", "fma_addend_latency", "l1d_bytes", "l1d_ways"),
        *("mshrs", "prefetch_streams", "prefetch_distance", "prefetch_training"),
        *("store_buffer_lines", "write_stream_lines", "l1i_bytes", "l1i_ways"),
        *("dtlb_entries", "dtlb_miss_cycles", "tlb_entries", "page_walk_cycles"),
        *("split_cycles", "prefetch_page_bytes"),
    )
    result = {name: figures[name] for name in names}
    result["out_of_order"] = int(core.pipeline == "out-of-order")
    # What the other kind of pipeline alone uses gets a harmless value.
    result["lone_load_bytes"] = figures.get("lone_load_bytes", 0)
    result["fma_load_gap"] = figures.get("fma_load_gap", 0)
    result["to_vector_per_cycle"] = figures.get("to_vector_per_cycle", 1)
    result["uop_width"] = figures.get("uop_width", 1)
    result["rob"] = figures.get("reorder_buffer", 1)
    result["queue"] = figures.get("queue_entries", 1)
    return result


def _board_figures(board: hardware.Board, threads: int | None) -> dict[str, int]:
    figures = {name: figure.value for name, figure in board.figures.items()}
    clock_hz = figures["clock_hz"]
    line_bytes = 64
    return {
        "cores": min(figures["cores"], threads or figures["cores"]),
        "clock_hz": clock_hz,
        "l2_bytes": figures["l2_bytes"],
        "l2_ways": figures["l2_ways"],
        "l2_cycles": figures["l2_cycles"],
        "dram_cycles": dram_cycles(board),
        "dram_line_cycles": round(line_bytes * clock_hz / (figures["dram_mb_per_s"] * 1e6)),
        "fork_join_cycles": round(figures["fork_join_ns"] * clock_hz / 1e9),
    }


def _instruction_lines(core: hardware.Core) -> dict[str, str]:
    pipes = list(core.pipes)
    lines = {f"queue.{pipes.index(name)}": str(queue) for name, queue in core.pipes.items()}
    for suffix, timing in (("", core.timing), (".q", core.quad_timing)):
        for name, instruction in timing.items():
            if name != "writeback":
                lines[f"latency.{name}{suffix}"] = str(instruction.latency)
            lines[f"uops.{name}{suffix}"] = _flat_uops(instruction.uops, pipes)
    return lines


def _flat_uops(uops: str, pipes: list[str]) -> str:
    """`"n0|n1:1"` -> `"48:1"`: pipe names become a bit mask."""
    parts = []
    for names, amount, is_bytes in hardware.parse_uops(uops, pipes):
        mask = sum(1 << pipes.index(name) for name in names)
        parts.append(f"{mask}:{amount}{'B' if is_bytes else ''}")
    return ",".join(parts) or "-"
