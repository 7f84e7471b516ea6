"""`python -m benchmarks speed`: what the timing model costs on top of plain QEMU."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import tvm
from tqdm import tqdm

import schedules
from schedules import Conv2dWorkload, hardware
from tuner.board import session as board_session
from tuner.board.emulator import params
from tuner.board.launch import EmulatedBoard
from tuner.errors import UserError
from tuner.measure import checker, session
from tuner.measure.builder import compile_candidate
from tuner.report.tables import make_console, make_table

# 28.9 million multiply-accumulates, as in ResNet-18.
_WORKLOAD = "conv2d/float32/n1_64x28x28/64x3x3/s1x1_p1x1x1x1_d1x1_g1"
_SCHEDULES = ("conv2d_gemm", "conv2d_nchw_spatial_pack", "conv2d_winograd")
_BOARDS = ("rasp3b", "rasp3b-64", "rk3288", "rpi4")
_EPILOGUE = ("bias", "relu")
_COLD_WEIGHTS = "cache_flush_cpu_non_first_arg"
_SESSION_LIMIT_S = 120.0
_FULL_BAR = {"in-order": 2.0, "out-of-order": 3.0}
_ELIDED_BAR = 0.5


class PlainBoard(EmulatedBoard):
    """The same server under QEMU without the plugin, which then takes no model time."""

    def _timing_options(self) -> list[str]:
        return []


class SlowBoard(EmulatedBoard):
    """A board that leaves all arithmetic to QEMU."""

    def _timing_options(self) -> list[str]:
        option, value = super()._timing_options()
        return [option, f"{value},arithmetic=qemu"]


class ElidedBoard(EmulatedBoard):
    """A board that does not compute: its times are right, its numbers are not."""

    def _timing_options(self) -> list[str]:
        option, value = super()._timing_options()
        return [option, f"{value},arithmetic=none"]


@dataclass(frozen=True)
class Row:
    """Seconds of the host's CPU that one run takes.

    Attributes:
        plain_s: under QEMU, without the timing model.
        full_s: fully timed, as boards run it.
        elided_s: timed, but nothing is computed.
        qemu_s: timed, QEMU computes.
    """

    board: hardware.Board
    schedule: str
    cycles: int
    plain_s: float
    full_s: float
    elided_s: float
    qemu_s: float

    @property
    def full_ratio(self) -> float:
        return self.full_s / self.plain_s

    @property
    def elided_ratio(self) -> float:
        return self.elided_s / self.plain_s

    def as_dict(self) -> dict[str, object]:
        bar = _FULL_BAR[self.board.core.pipeline]
        return {
            "board": self.board.name,
            "core": self.board.core.name,
            "schedule": self.schedule,
            "cycles": self.cycles,
            "plain_s": round(self.plain_s, 4),
            "full_s": round(self.full_s, 4),
            "elided_s": round(self.elided_s, 4),
            "qemu_s": round(self.qemu_s, 4),
            "full_ratio": round(self.full_ratio, 2),
            "full_bar": bar,
            "full_holds": self.full_ratio <= bar,
            "elided_ratio": round(self.elided_ratio, 2),
            "elided_bar": _ELIDED_BAR,
            "elided_holds": self.elided_ratio <= _ELIDED_BAR,
            "qemu_ratio": round(self.qemu_s / self.plain_s, 2),
        }


def measure(board: hardware.Board, schedule: str, runs: int) -> Row:
    """Run one convolution in all four ways, each in `runs` sessions of its own; the best counts."""
    workload = Conv2dWorkload.from_key(_WORKLOAD)
    config = schedules.get(schedule).default(workload, board.core)
    with tempfile.TemporaryDirectory(prefix="speed-") as folder:
        library = Path(folder) / "kernel.so"
        compile_candidate(
            workload.key, schedule, dict(config), board.core.name, _EPILOGUE, str(library)
        )
        seconds, cycles = [], set()
        for kind in (PlainBoard, EmulatedBoard, ElidedBoard, SlowBoard):
            with kind(board, threads=1) as running:
                spent_s, its_cycles = _best(running, library, schedule, config, runs)
            seconds.append(spent_s)
            if kind is not PlainBoard:
                cycles.add(its_cycles)
    if len(cycles) > 1:
        raise UserError(
            f"{board.name}, {schedule}: cycles depend on who computes: {sorted(cycles)}",
            "this is a bug: please report it",
        )
    return Row(board, schedule, cycles.pop(), *seconds)


def _best(
    board: EmulatedBoard,
    library: Path,
    schedule: str,
    config: schedules.Config,
    runs: int,
) -> tuple[float, int]:
    """Least seconds of host CPU of a run, QEMU's translation included; model cycles, 0 if none."""
    workload = Conv2dWorkload.from_key(_WORKLOAD)
    problem = checker.problem(workload, _EPILOGUE)
    packed = schedules.get(schedule).pack(problem.weights[0], workload, config)
    output = np.zeros(problem.expected.shape, np.float32)
    seconds, cycles = float("inf"), 0
    for _ in range(runs):
        with session(board, _SESSION_LIMIT_S) as remote:
            remote.upload(str(library), "kernel.so")
            module, device = remote.load_module("kernel.so"), remote.cpu(0)
            arrays = [problem.data, packed, *problem.biases, output]
            arguments = [tvm.runtime.tensor(array, device=device) for array in arrays]
            function = module["main"]
            if not isinstance(board, PlainBoard):
                function = module.time_evaluator(
                    "main", device, number=1, repeat=1, f_preproc=_COLD_WEIGHTS
                )
            processes = _tree(board.pid)
            before = [_cpu_s(process) for process in processes]
            function(*arguments)
            # The others wait.
            spent = max(
                _cpu_s(process) - begun for process, begun in zip(processes, before, strict=True)
            )
            seconds = min(seconds, spent)
            cycles = (board_session.counters(remote) or {}).get("cycles", 0)
    return seconds, cycles


def _tree(process: int) -> list[int]:
    """A process and all below it."""
    text = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return [process, *(one for child in text.split() for one in _tree(int(child)))]


def _cpu_s(process: int) -> float:
    """CPU time of another process: its clock, numbered as in clock_getcpuclockid(3)."""
    try:
        return time.clock_gettime(~process << 3 | 2)
    except OSError:  # of the session before, just ended
        return 0.0


@click.command("speed")
@click.option("--board", "boards", multiple=True, help="Only this board; repeatable.")
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Best of N.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def speed_verb(boards: tuple[str, ...], runs: int, as_json: bool) -> None:
    """Compare the host's CPU time of a convolution under plain QEMU and under the timing model."""
    chosen = [hardware.board(name) for name in boards or _BOARDS]
    cases = [(board, schedule) for board in chosen for schedule in _SCHEDULES]
    bar = tqdm(cases, unit="case", desc="speed")
    rows = [measure(board, schedule, runs) for board, schedule in bar]
    if as_json:
        print(json.dumps({"workload": _WORKLOAD, "rows": [row.as_dict() for row in rows]}))
    else:
        _print_table(rows)


def _print_table(rows: Sequence[Row]) -> None:
    title = (
        f"28.9 MMAC 3x3 convolution, host CPU ms (emulated, timing model v{params.MODEL_VERSION})"
    )
    table = make_table(title)
    table.add_column("board", no_wrap=True)
    table.add_column("schedule", no_wrap=True)
    for column in ("QEMU", "timed", "ratio", "bar", "elided", "ratio", "bar", "QEMU computes"):
        table.add_column(column, justify="right")
    for row in rows:
        bar = _FULL_BAR[row.board.core.pipeline]
        table.add_row(
            row.board.name,
            row.schedule,
            f"{row.plain_s * 1e3:.0f}",
            f"{row.full_s * 1e3:.0f}",
            f"{row.full_ratio:.2f}",
            f"{bar:g} {'holds' if row.full_ratio <= bar else 'missed'}",
            f"{row.elided_s * 1e3:.0f}",
            f"{row.elided_ratio:.2f}",
            f"{_ELIDED_BAR:g} {'holds' if row.elided_ratio <= _ELIDED_BAR else 'missed'}",
            f"{row.qemu_s * 1e3:.0f}",
        )
    make_console().print(table)
