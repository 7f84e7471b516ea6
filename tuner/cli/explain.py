"""`python -m tuner explain`: where a layer's cycles go, and what limits its hot loops."""

from __future__ import annotations

import difflib
import json
import tempfile
from pathlib import Path

import click
from rich.console import Console

from schedules import competition
from schedules.hardware import Board
from tuner import networks, records, tasks
from tuner.board import launch
from tuner.board.profile import Profile
from tuner.cli.explain_file import read_file, run_file
from tuner.cli.options import require_threads, resolve_board, target_option
from tuner.errors import UserError
from tuner.measure import BoardInfo, checker, describe
from tuner.measure.builder import compile_candidate
from tuner.measure.errors import TrialError
from tuner.measure.runner import run_candidate
from tuner.report.hot_loops import print_hot_loops
from tuner.report.tables import make_console
from tuner.report.units import format_cycles, format_time
from tuner.search import Candidate, Space
from tuner.tasks import Task


@click.command("explain")
@click.argument("network", metavar="NETWORK|FILE.so")
@target_option
@click.option("--layer", help="A convolution or fire module, e.g. fire2_squeeze.")
@click.option("--schedule", help="Schedule to build it with.  [default: what a build takes]")
@click.option("--config", help="Its knobs as JSON; those left out keep their hand-picked value.")
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Take the fastest config of this log instead.",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="N,N,...",
    help="Of FILE.so's arguments, in order, float32: run it. Without, its loops are only read.",
)
@click.option(
    "--function", default="main", show_default=True, help="Which function of FILE.so to run."
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Threads of the emulated board.",
)
@click.option(
    "--loops", type=click.IntRange(min=1), default=3, show_default=True, help="How many to show."
)
@click.option("--whole", is_flag=True, help="Show every instruction of long loops.")
def explain_verb(
    network: str,
    target: str,
    layer: str | None,
    schedule: str | None,
    config: str | None,
    log: Path | None,
    shapes: tuple[str, ...],
    function: str,
    threads: int,
    loops: int,
    whole: bool,
) -> None:
    """Show the hottest loops of code: its disassembly, cycles, and what limits it.

    Of one layer of NETWORK, or of a kernel library FILE.so, on the emulated board.
    """
    board = resolve_board(target)
    require_threads(board, threads)
    console = make_console()
    if network.endswith(".so"):
        if layer or schedule or config or log:
            raise UserError("a library has no layers or configs", "leave their options out")
        if shapes:
            run_file(console, Path(network), board, function, shapes, threads, loops, whole)
        else:
            read_file(console, Path(network), board, loops, whole)
        return
    if shapes:
        raise UserError("--shape is for a library FILE.so", "name a --layer of a network")
    if layer is None:
        raise UserError("--layer is missing", "name a convolution, for example --layer conv1")
    task = _find_task(network, layer)
    if log is not None:
        if schedule is not None or config is not None:
            raise UserError("--log names a config already", "leave out --schedule and --config")
        candidate = _fastest(log, task, board)
    else:
        candidate = _chosen(task, board, schedule, config, threads)
    console.print(
        f"{layer}: {task.workload.describe()} with {candidate.schedule} "
        f"{json.dumps(dict(candidate.config))}",
        highlight=False,
        soft_wrap=True,
    )
    profile = _run(console, board, task, candidate, threads)
    print_hot_loops(console, profile, loops, whole)


def _find_task(network_name: str, layer: str) -> Task:
    found = tasks.extract(networks.get(network_name).module)
    for task in found:
        if layer in task.layers:
            return task
    names = [name for task in found for name in task.layers]
    close = difflib.get_close_matches(layer, names, n=1)
    raise UserError(
        f"{network_name} has no convolution {layer!r}",
        f"did you mean {close[0]!r}?" if close else f"choose one of: {', '.join(names)}",
    )


def _chosen(
    task: Task, board: Board, schedule: str | None, config: str | None, threads: int
) -> Candidate:
    """Return what a build takes, or the hand-picked config with the changes the user asks for."""
    if schedule is None and config is None:
        choice = competition.choice(task.workload, board.core, threads)
        if choice is None:
            raise UserError("no schedule serves this layer", "choose another --layer")
        return Candidate(choice[0], competition.get(choice[0]).version, choice[1])
    space = Space(task.workload, board.core)
    by_name = {c.schedule: c for c in space.defaults()}
    name = schedule or next(iter(by_name))
    if name not in by_name:
        raise UserError(
            f"no schedule {name!r} serves this layer", f"choose one of: {', '.join(by_name)}"
        )
    base = by_name[name]
    if config is None:
        return base
    changed = Candidate(base.schedule, base.version, {**base.config, **_parse_config(config, base)})
    if changed not in space:
        raise UserError(
            f"{config} is no config of {name} for this layer",
            f"the hand-picked one is {_example(base)}",
        )
    return changed


def _parse_config(text: str, base: Candidate) -> dict[str, int | str]:
    try:
        changes = json.loads(text)
    except ValueError:
        changes = None
    if isinstance(changes, dict):
        return changes
    raise UserError(f"--config takes a JSON object, not {text}", f"for example {_example(base)}")


def _example(candidate: Candidate) -> str:
    return f"'{json.dumps(dict(candidate.config))}'"


def _fastest(log: Path, task: Task, board: Board) -> Candidate:
    measured = [
        record
        for record in records.read(log)
        if record.workload == task.workload.key
        and record.core == board.core.name
        and record.cost_s is not None
        and record.schedule["name"] in competition.names()
    ]
    if not measured:
        raise UserError(
            f"the log {log} has no result of this layer on {board.core.name}",
            "name another --log, or leave it out",
        )
    best = min(measured, key=lambda record: record.cost_s or 0.0)
    return Candidate(best.schedule["name"], best.schedule["version"], best.config)


def _run(console: Console, board: Board, task: Task, candidate: Candidate, threads: int) -> Profile:
    """Build and run the candidate, print its time and return its profile."""
    problem = checker.problem(task.workload, task.epilogue)
    config = dict(candidate.config)
    with (
        tempfile.TemporaryDirectory(prefix="tuner-") as folder,
        launch.EmulatedBoard(board, threads=threads, profile=True) as emulated,
    ):
        library = Path(folder) / "layer.so"
        info = describe(emulated, board)
        try:
            compile_candidate(
                task.workload.key,
                candidate.schedule,
                config,
                board.core.name,
                task.epilogue,
                str(library),
            )
            constants = checker.constants(
                task.workload, candidate.schedule, config, board.core, problem
            )
            run = run_candidate(emulated, library, task.workload, constants, problem)
        except TrialError as error:
            raise UserError(
                f"this config fails: {error.kind}: {error.text}", "name another --config or --log"
            ) from error
        profile = emulated.read_profile()
    console.print(_summary(task, info, board, min(run.costs_s)), highlight=False, soft_wrap=True)
    return profile


def _summary(task: Task, info: BoardInfo, board: Board, cost_s: float) -> str:
    cycles = info.cycles(cost_s) or 0
    peak = board.core.peak_flops_per_cycle * (info.threads or 1)
    return (
        f"One call, weights not in cache: {format_cycles(cycles)} cycles, {format_time(cost_s)} on "
        f"{info.threads} thread(s), {task.workload.flops / cycles / peak:.0%} of peak {info.label}"
    )
