"""`python -m benchmarks micro`: single instructions, pointer chases and streams on a board."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from benchmarks.micro_cases import (
    CASES,
    CLOBBERED,
    Case,
    independent_lines,
    table_interval,
    table_latency,
)
from schedules import hardware
from schedules.hardware import Board
from tuner.board import build, launch, toolchain
from tuner.board.emulator import params
from tuner.cli.options import resolve_board
from tuner.errors import UserError
from tuner.report.tables import make_console, make_table

_PROGRAM = Path(__file__).with_name("micro.c")
_FLAGS = {"armv7": ("-marm", "-mfpu=neon-vfpv4"), "aarch64": ()}
# micro.c's.
_LINE = 64
_INSTRUCTIONS = 32 * 128
_STREAM_BYTES = 8 << 20
_TIMEOUT_S = 300


@dataclass(frozen=True)
class Row:
    """One measurement beside what the tables say of it.

    Attributes:
        group: "instruction", "chase" or "stream".
        what: "latency", "interval" (between independent ones) or "bandwidth".
        measured, table: in `unit`; caches and TLBs add to the table's figure in a chase.
    """

    group: str
    name: str
    what: str
    measured: float
    table: float
    unit: str


def measure(board: Board) -> list[Row]:
    """Run all micro-benchmarks on the emulated `board`.

    Raises:
        UserError: a tool is missing.
    """
    with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
        cycles = _run(board, Path(folder))
    return [*_instructions(board, cycles), *_chases(board, cycles), *_streams(board, cycles)]


def _run(board: Board, folder: Path) -> dict[str, int]:
    isa = board.core.isa
    (folder / "cases.h").write_text(_cases_header(board), encoding="ascii")
    params.write(board, folder / "board.txt")
    (folder / "libemulator.so").symlink_to(build.emulator_plugin())
    includes = [f"-I{folder}", f"-I{Path(params.__file__).parent}"]
    command = [*toolchain.find(isa).compiler, *_FLAGS[isa], "-x", "c", "-O3", "-static"]
    command += ["-D_GNU_SOURCE", *includes, str(_PROGRAM), "-o", str(folder / "micro")]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    if compiled.returncode != 0:
        first = (compiled.stderr.strip() or "no message").splitlines()[0]
        raise UserError(f"compiling micro.c failed: {first}", "try another compiler")
    # Nothing of the user's is on the guest's stack: equal cycles everywhere.
    qemu = [str(launch.find_qemu(isa)), "-plugin", "./libemulator.so,params=board.txt", "./micro"]
    done = subprocess.run(
        qemu, cwd=folder, env={}, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(f"the micro-benchmarks did not run: {last}", "run `tuner doctor`")
    pairs = (line.split() for line in done.stdout.splitlines())
    return {name: int(count) for name, count in pairs}


def _cases_header(board: Board) -> str:
    """The part of the program that depends on the board."""
    isa = board.core.isa
    functions, names = [], []
    for index, case in enumerate(CASES[isa]):
        for what, lines in (("chain", [case.chain]), ("apart", _apart(case, isa))):
            if not lines[0]:
                continue
            names.append(f"{what}{index}")
            functions.append(_function(names[-1], lines, isa))
    table = ", ".join(f'{{"{name}", {name}}}' for name in names)
    rings = ", ".join(str(size) for _, size, _ in _rings(board))
    return (
        "".join(functions)
        + f"static const struct {{ const char *name; void (*function)(void); }} cases[] = "
        f"{{{table}}};\nstatic const size_t ring_bytes[] = {{{rings}}};\n"
        f"enum {{ STREAM_BYTES = {_STREAM_BYTES} }};\n"
    )


def _apart(case: Case, isa: str) -> list[str]:
    return independent_lines(case, isa) if case.independent else [""]


def _function(name: str, lines: Sequence[str], isa: str) -> str:
    body = "".join(f"{line}\\n" for line in lines)
    clobbered = ", ".join(f'"{register}"' for register in CLOBBERED[isa])
    return (
        f"static void {name}(void) {{ void *at = &self; for (int i = 0; i < ROUNDS; i++) "
        f'__asm__ volatile(".rept {128 // len(lines)}\\n{body}.endr" : "+r"(at) : "r"(scratch) '
        f': {clobbered}, "memory"); }}\n'
    )


def _instructions(board: Board, cycles: dict[str, int]) -> list[Row]:
    core, rows = board.core, []
    for index, case in enumerate(CASES[core.isa]):
        width = 16 if case.quad else 4 if core.isa == "armv7" and case.kind[0] != "v" else 8
        name = f"{case.kind}{'.q' if case.quad else ''}: {case.name}"
        for key, what, table in (
            (f"chain{index}", "latency", float(table_latency(case, core))),
            (f"apart{index}", "interval", table_interval(case, core, width)),
        ):
            if key in cycles:
                measured = cycles[key] / _INSTRUCTIONS
                rows.append(Row("instruction", name, what, measured, table, "cycles"))
    return rows


def _rings(board: Board) -> list[tuple[str, int, float]]:
    """Name, bytes, and the table's cycles a step, of each level of memory."""
    core = board.core
    load = core.timing["load"].latency
    dram = params.dram_cycles(board)
    l2 = board.figures["l2_cycles"].value
    return [
        ("L1", core.l1d_bytes // 2, load),
        ("L2", max(2 * core.l1d_bytes, board.l2_bytes // 2), load - 1 + l2),
        ("DRAM", 8 * board.l2_bytes, load - 1 + dram),
    ]


def _chases(board: Board, cycles: dict[str, int]) -> list[Row]:
    return [
        Row(
            *("chase", f"{name}, {size >> 10} KiB", "latency"),
            *(cycles[f"ring{index}"] / (size // _LINE), table, "cycles"),
        )
        for index, (name, size, table) in enumerate(_rings(board))
    ]


def _streams(board: Board, cycles: dict[str, int]) -> list[Row]:
    table = board.figures["dram_mb_per_s"].value
    seconds = {name: cycles[name] / board.clock_hz for name in ("read", "write", "copy")}
    moved = {"read": 1, "write": 1, "copy": 2}
    return [
        Row(
            *("stream", f"{name}, {_STREAM_BYTES >> 20} MiB", "bandwidth"),
            *(times * _STREAM_BYTES / seconds[name] / 1e6, float(table), "MB/s"),
        )
        for name, times in moved.items()
    ]


@click.command("micro")
@click.option("--board", "names", multiple=True, help="Only this board or core; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def micro_verb(names: tuple[str, ...], as_json: bool) -> None:
    """Time single instructions, pointer chases and streams on the emulated boards.

    Each beside what the tables of the core and the board say.
    """
    boards = [resolve_board(name) for name in names or hardware.boards()]
    found = {board.name: measure(board) for board in boards}
    if as_json:
        results = [
            {
                "board": board.name,
                "core": board.core.name,
                "emulated": True,
                "rows": [asdict(row) for row in found[board.name]],
            }
            for board in boards
        ]
        click.echo(json.dumps({"model": params.MODEL_VERSION, "boards": results}))
        return
    for board in boards:
        _print(board, found[board.name])


def _print(board: Board, rows: Sequence[Row]) -> None:
    table = make_table(
        f"{board.name}, {board.core.name} (emulated, timing model v{params.MODEL_VERSION})"
    )
    table.add_column("what", no_wrap=True)
    table.add_column("")
    for column in ("measured", "table"):
        table.add_column(column, justify="right")
    table.add_column("unit")
    for row in rows:
        table.add_row(row.name, row.what, f"{row.measured:.2f}", f"{row.table:.2f}", row.unit)
    make_console().print(table)
