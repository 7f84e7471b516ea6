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
_WHO = ("host", "none", "qemu")  # computes; in the order of `Row`


class PlainBoard(EmulatedBoard):
    """The same server under QEMU without the plugin, which then takes no model time."""

    def _timing_options(self) -> list[str]:
        return []


@dataclass(frozen=True)
class Spent:
    """Seconds of the host's CPU: a first run, which QEMU has to translate, and another one."""

    first_s: float
    again_s: float


@dataclass(frozen=True)
class Row:
    """What runs take.

    Attributes:
        plain: under QEMU, without the timing model.
        full: fully timed, as boards run it.
        elided: timed, but nothing is computed.
        qemu: timed, QEMU computes.
    """

    board: hardware.Board
    schedule: str
    cycles: int
    plain: Spent
    full: Spent
    elided: Spent
    qemu: Spent

    @property
    def full_bar(self) -> float:
        return _FULL_BAR[self.board.core.pipeline]

    def as_dict(self) -> dict[str, object]:
        """For `--json`; the keys are documented in docs/board.md."""
        result: dict[str, object] = {
            "board": self.board.name,
            "core": self.board.core.name,
            "schedule": self.schedule,
            "cycles": self.cycles,
        }
        for way in ("plain", "full", "elided", "qemu"):
            spent: Spent = getattr(self, way)
            result[f"{way}_s"], result[f"{way}_again_s"] = (
                round(spent.first_s, 4),
                round(spent.again_s, 4),
            )
        bars = {"full": self.full_bar, "elided": _ELIDED_BAR}
        for way, bar in bars.items():
            spent = getattr(self, way)
            first, again = _ratios(spent, self.plain)
            result |= {f"{way}_ratio": round(first, 2), f"{way}_again_ratio": round(again, 2)}
            result |= {f"{way}_bar": bar, f"{way}_holds": first <= bar}
            result[f"{way}_again_holds"] = again <= bar
        return result


def _ratios(spent: Spent, plain: Spent) -> tuple[float, float]:
    """Of first runs, and of further ones."""
    return spent.first_s / plain.first_s, spent.again_s / plain.again_s


def measure(board: hardware.Board, schedule: str, runs: int) -> Row:
    """Run one convolution in all four ways, each in `runs` sessions of its own; the best counts."""
    workload = Conv2dWorkload.from_key(_WORKLOAD)
    config = schedules.get(schedule).default(workload, board.core)
    with tempfile.TemporaryDirectory(prefix="speed-") as folder:
        library = Path(folder) / "kernel.so"
        compile_candidate(
            workload.key, schedule, dict(config), board.core.name, _EPILOGUE, str(library)
        )
        ways, cycles = [], set()
        computers = ((PlainBoard, "host"), *((EmulatedBoard, who) for who in _WHO))
        for kind, who in computers:
            with kind(board, threads=1, arithmetic=who) as running:
                spent, its_cycles = _best(running, library, schedule, config, runs)
            ways.append(spent)
            if kind is not PlainBoard:
                cycles.add(its_cycles)
    if len(cycles) > 1:
        raise UserError(
            f"{board.name}, {schedule}: cycles depend on who computes: {sorted(cycles)}",
            "this is a bug: please report it",
        )
    return Row(board, schedule, cycles.pop(), *ways)


def _best(
    board: EmulatedBoard,
    library: Path,
    schedule: str,
    config: schedules.Config,
    runs: int,
) -> tuple[Spent, int]:
    """The least of all sessions, and model cycles, 0 if none."""
    workload = Conv2dWorkload.from_key(_WORKLOAD)
    problem = checker.problem(workload, _EPILOGUE)
    packed = schedules.get(schedule).pack(problem.weights[0], workload, config)
    output = np.zeros(problem.expected.shape, np.float32)
    seconds, cycles = [float("inf"), float("inf")], 0
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
            for i, least in enumerate(seconds):
                before = [_cpu_s(process) for process in processes]
                function(*arguments)
                # The others wait.
                spent = max(
                    _cpu_s(process) - begun
                    for process, begun in zip(processes, before, strict=True)
                )
                seconds[i] = min(least, spent)
            cycles = (board_session.counters(remote) or {}).get("cycles", 0)
    return Spent(*seconds), cycles


def _tree(process: int) -> list[int]:
    """A process and all below it."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    except OSError:  # of the session before, just ended
        return []
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
        _print_tables(rows)


def _print_tables(rows: Sequence[Row]) -> None:
    console = make_console()
    label = f"(emulated, timing model v{params.MODEL_VERSION})"
    console.print(f"28.9 MMAC 3x3 convolution, host CPU ms {label}", highlight=False)
    for title, field in (
        ("First run in a session, with QEMU's translation", "first_s"),
        ("Further run", "again_s"),
    ):
        table = make_table(title)
        for column in ("board", "schedule"):
            table.add_column(column, no_wrap=True)
        for column in ("QEMU", "timed", "ratio", "bar", "elided", "ratio", "bar"):
            table.add_column(column, justify="right", no_wrap=True)
        for row in rows:
            plain, full, elided = (
                getattr(spent, field) for spent in (row.plain, row.full, row.elided)
            )
            cells = [f"{plain * 1e3:.0f}"]
            for spent_s, bar in ((full, row.full_bar), (elided, _ELIDED_BAR)):
                verdict = "holds" if spent_s / plain <= bar else "missed"
                cells += [f"{spent_s * 1e3:.0f}", f"{spent_s / plain:.2f}", f"{bar:g} {verdict}"]
            table.add_row(row.board.name, row.schedule, *cells)
        console.print(table)
