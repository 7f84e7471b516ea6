"""`python -m tuner import-autotvm`: configs to try first, from a log of AutoTVM."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from schedules import Conv2dWorkload
from tuner import autotvm, starts
from tuner.cli.options import resolve_board, target_option
from tuner.errors import UserError


@click.command("import-autotvm")
@click.argument("log", type=click.Path(path_type=Path))
@target_option
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: LOG with the ending .starts.jsonl]",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Configs to keep of each convolution.",
)
def import_autotvm_verb(log: Path, target: str, output: Path | None, most: int) -> None:
    """Turn AutoTVM's LOG (format 0.2) into configs that tuning tries first.

    Give the file that this writes to `python -m tuner NETWORK --try-first FILE`. AutoTVM's times
    are of other code on another board: they order the configs, and count for nothing else.
    """
    board = resolve_board(target)
    imported = autotvm.read(log, board.core, most)
    for reason, count in imported.left_out.most_common():
        click.echo(f"{_count(count, 'line')} left out: {reason}", err=True)
    if not imported.starts:
        raise UserError(
            f"no config in the {_count(imported.lines, 'line')} of {log} exists for "
            f"{board.core.name}",
            "docs/autotvm.md has those that do",
        )
    path = output or log.with_suffix(".starts.jsonl")
    starts.write(path, imported.starts)
    kept = Counter(start.workload for start in imported.starts)
    for workload, count in kept.items():
        click.echo(f"{Conv2dWorkload.from_key(workload).describe()}: {count}")
    click.echo(
        f"{path}: {_count(len(imported.starts), 'config')} for "
        f"{_count(len(kept), 'convolution')}, from {imported.mapped} of "
        f"{_count(imported.lines, 'line')}"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
