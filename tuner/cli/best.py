"""`python -m tuner best`: the records worth keeping of a log."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from tuner import records
from tuner.cli.options import require_log
from tuner.records import Record


@click.command("best")
@click.argument("log", type=click.Path(path_type=Path))
def best_verb(log: Path) -> None:
    """Print the fastest record of each convolution in LOG, one JSON object a line.

    A file of these in schedules/records is what `import schedules` builds with.
    """
    require_log(log)
    for record in best(records.read(log)):
        click.echo(record.to_json())


def best(known: Iterable[Record]) -> list[Record]:
    """The fastest record of each workload and board, sorted by both. Failures do not count."""
    fastest: dict[tuple[str, str], Record] = {}
    for record in known:
        if record.cost_s is None:
            continue
        place = (str(record.board.get("name")), record.workload)
        rival = fastest.get(place)
        if rival is None or rival.cost_s is None or record.cost_s < rival.cost_s:
            fastest[place] = record
    return [fastest[place] for place in sorted(fastest)]
