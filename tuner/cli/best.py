"""`python -m tuner best`: the records worth keeping of a log."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from tuner import records
from tuner.cli.options import require_log
from tuner.records import Record
from tuner.runs import Run


@click.command("best")
@click.argument("log", type=click.Path(path_type=Path))
def best_verb(log: Path) -> None:
    """Print the fastest record of each convolution and fire module in LOG, one JSON object a line.

    Without those that a network, measured as a whole, was faster without. A file of these in
    schedules/records is what `import schedules` builds with.
    """
    require_log(log)
    for record in best(records.read(log), records.read_runs(log)):
        click.echo(record.to_json())


def best(known: Iterable[Record], runs: Iterable[Run] = ()) -> list[Record]:
    """The fastest record of each workload and board, sorted by both. Failures do not count.

    Args:
        runs: the last one that measured a network with a workload decides whether it has a record.
    """
    left_out: set[tuple[str, str]] = set()
    for run in runs:
        if run.kept is None:
            continue
        places = {
            layer.workload: (str(run.board.get("name")), layer.workload) for layer in run.layers
        }
        left_out |= {place for workload, place in places.items() if workload not in run.kept}
        left_out -= {places[workload] for workload in run.kept if workload in places}
    fastest: dict[tuple[str, str], Record] = {}
    for record in known:
        place = (str(record.board.get("name")), record.workload)
        if record.cost_s is None or place in left_out:
            continue
        rival = fastest.get(place)
        if rival is None or rival.cost_s is None or record.cost_s < rival.cost_s:
            fastest[place] = record
    return [fastest[place] for place in sorted(fastest)]
