"""`python -m benchmarks neighbours`: what the config of a neighbour is worth.

Each shipped record is left out in turn: for its workload, `python -m benchmarks neighbours rk3288`
measures the hand-picked default and the config of the nearest other recorded workload, on the
emulated board. It shows where to draw the line of `schedules.selection.NEIGHBOURHOOD`.
"""

from __future__ import annotations

import click
import numpy as np

import schedules
from schedules import Conv2dWorkload, competition, hardware, selection
from schedules.hardware import Board, Core
from schedules.recorded import Recorded
from schedules.testing import Case
from tuner.board.launch import EmulatedBoard
from tuner.errors import UserError
from tuner.measure import BoardRunner, describe

_FARTHEST = 2 * selection.NEIGHBOURHOOD  # what is measured, to see both sides of the line


def nearest(workload: Conv2dWorkload, core: Core) -> tuple[float, Recorded] | None:
    """(distance, fastest record) of the nearest workload but itself whose config is legal here."""
    others = [
        (selection.distance(Conv2dWorkload.from_key(key), workload), key, records[0])
        for key, records in selection.shipped()[core.name].items()
        if _is_convolution(key) and key != workload.key and records[0].is_current
    ]
    for apart, _, record in sorted(others, key=lambda each: each[:2]):
        schedule = schedules.get(record.schedule)
        if apart > _FARTHEST:
            return None
        if schedule.supports(workload, core) and record.config in schedule.space(workload, core):
            return apart, record
    return None


def _is_convolution(key: str) -> bool:
    """Whether it is the key of a convolution: fire modules have no neighbours."""
    return isinstance(competition.from_key(key), Conv2dWorkload)


@click.command("neighbours")
@click.argument("board", type=click.Choice(hardware.boards()))
def neighbours_verb(board: str) -> None:
    """Compare the configs of the nearest recorded workloads with the defaults on the BOARD."""
    _measure(hardware.board(board))


def _measure(board: Board) -> None:
    core = board.core
    recorded = selection.shipped().get(core.name)
    if recorded is None:
        raise UserError(
            f"no records of a {core.name} are shipped", "choose a board with a file in records/"
        )
    gains: dict[bool, list[float]] = {True: [], False: []}
    with EmulatedBoard(board) as emulated:
        runner, label = BoardRunner(emulated), describe(emulated, board).label
        click.echo(f"{board.name} {label}, microseconds")
        for workload in map(Conv2dWorkload.from_key, filter(_is_convolution, recorded)):
            found = nearest(workload, core)
            if found is None:
                continue
            apart, record = found
            default = schedules.find(workload, core)[0]
            before, after = (
                min(runner.measure(Case(workload, *pair, core)).costs_s)
                for pair in (
                    (default.name, default.default(workload, core)),
                    (record.schedule, record.config),
                )
            )
            gains[apart < selection.NEIGHBOURHOOD].append(before / after)
            click.echo(
                f"{workload.describe():24} distance {apart:4.2f}  default {before * 1e6:7.0f}  "
                f"neighbour's {after * 1e6:7.0f}  gain {before / after:.3f}"
            )
    for near, values in gains.items():
        if values:
            mean = float(np.exp(np.mean(np.log(values))))
            click.echo(
                f"{'used' if near else 'too far'}: {len(values)} workloads, gain {min(values):.3f} "
                f"to {max(values):.3f}, geometric mean {mean:.3f}"
            )
