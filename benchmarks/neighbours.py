"""What a neighbour's config is worth: each shipped record left out in turn.

`python -m benchmarks.neighbours rk3288` measures, for every workload with a shipped record, the
hand-picked default and the config of its nearest recorded workload, on the emulated board. It shows
where to draw the line of `schedules.selection.NEIGHBOURHOOD`.
"""

from __future__ import annotations

import click
import numpy as np

import schedules
from schedules import Conv2dWorkload, hardware, selection
from schedules.hardware import Core
from schedules.recorded import Recorded
from schedules.testing import problem
from tuner.board.launch import EmulatedBoard
from tuner.measure import BoardRunner, describe

_EPILOGUE = ("bias", "relu")


def nearest(workload: Conv2dWorkload, core: Core) -> tuple[float, Recorded] | None:
    """(distance, fastest record) of the nearest other workload whose config is legal here."""
    others = [
        (selection.distance(Conv2dWorkload.from_key(key), workload), key, records[0])
        for key, records in selection.shipped()[core.name].items()
        if key != workload.key
    ]
    for apart, _, record in sorted(others, key=lambda each: each[:2]):
        schedule = schedules.get(record.schedule)
        if not np.isfinite(apart):
            return None
        if schedule.supports(workload, core) and record.config in schedule.space(workload, core):
            return apart, record
    return None


@click.command()
@click.argument("board_name")
def main(board_name: str) -> None:
    """Compare neighbours' configs with the defaults on the emulated BOARD_NAME."""
    board = hardware.resolve(board_name)
    core = board.core
    gains: dict[bool, list[float]] = {True: [], False: []}
    with EmulatedBoard(board) as emulated:
        runner, label = BoardRunner(emulated), describe(emulated, board).label
        click.echo(f"{board.name} {label}, microseconds")
        for key in selection.shipped()[core.name]:
            workload = Conv2dWorkload.from_key(key)
            found = nearest(workload, core)
            if found is None:
                continue
            apart, record = found
            default = schedules.find(workload, core)[0]
            task = problem(workload, _EPILOGUE)
            before, after = (
                min(runner.measure(workload, *pair, core, task, _EPILOGUE).costs_s)
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


if __name__ == "__main__":
    main()
