"""`python -m benchmarks fidelity`: the timing model against latencies published for real boards."""

from __future__ import annotations

import csv
import json
import os
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from tqdm import tqdm

from benchmarks.peers import ncnn_run
from schedules import hardware
from tuner.board.emulator import params
from tuner.errors import UserError
from tuner.report.tables import make_console, make_table

_PUBLISHED = Path(__file__).with_name("published.csv")


@dataclass(frozen=True)
class Published:
    """A latency somebody measured on a real board.

    Attributes:
        cycles: latency times the clock the source states.
        used_for: "fit" if the tables were fitted to it, "check" if they were not.
    """

    board: hardware.Board
    network: str
    threads: int
    cycles: int
    used_for: str
    source: str


@dataclass(frozen=True)
class Row:
    published: Published
    simulated_cycles: int

    @property
    def error(self) -> float:
        """Relative: 0.1 means the model takes 10 % longer than the board."""
        return self.simulated_cycles / self.published.cycles - 1

    def as_dict(self) -> dict[str, object]:
        return {
            "board": self.published.board.name,
            "core": self.published.board.core.name,
            "network": self.published.network,
            "threads": self.published.threads,
            "simulated_cycles": self.simulated_cycles,
            "published_cycles": self.published.cycles,
            "error": round(self.error, 4),
            "used_for": self.published.used_for,
            "source": self.published.source,
        }


def read_published(path: Path = _PUBLISHED) -> list[Published]:
    """The rows of the file, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Published(
                board=hardware.board(row["board"]),
                network=row["network"],
                threads=int(row["threads"]),
                cycles=round(float(row["latency_ms"]) * float(row["clock_ghz"]) * 1e6),
                used_for=row["used_for"],
                source=row["source"],
            )
            for row in csv.DictReader(file)
        ]


def select(rows: Sequence[Published], boards: Sequence[str]) -> list[Published]:
    """Those of some boards, given by board or core; all of them for no board."""
    if not boards:
        return list(rows)
    known = sorted({name for row in rows for name in (row.board.name, row.board.core.name)})
    for name in boards:
        if name not in known:
            raise UserError(
                f"no published latency for {name!r}", f"there are some for {', '.join(known)}"
            )
    return [row for row in rows if {row.board.name, row.board.core.name} & set(boards)]


def measure(rows: Sequence[Published], jobs: int) -> list[Row]:
    """Run every row on its emulated board, `jobs` at a time."""
    with tqdm(total=len(rows), unit="run", desc="fidelity") as bar:
        boards = {row.board.name: row.board for row in rows}
        # bar.write alone would write to stdout, between the lines of JSON.
        say = partial(bar.write, file=sys.stderr)
        roots = {name: ncnn_run.prepare(board, say) for name, board in boards.items()}

        def one(row: Published) -> Row:
            inference = ncnn_run.run(row.board, roots[row.board.name], row.network)
            bar.update()
            return Row(row, inference.cycles)

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(one, rows))


@click.command("fidelity")
@click.option("--board", "boards", multiple=True, help="Only this board or core; repeatable.")
@click.option("--jobs", type=click.IntRange(1), help="Runs at a time (default: up to 2).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def fidelity_verb(boards: tuple[str, ...], jobs: int | None, as_json: bool) -> None:
    """Compare the emulated boards with published latencies of ncnn, one thread, fp32.

    The first run downloads about 40 MB: a small Debian with Python for each instruction set, and
    ncnn's wheels.
    """
    rows = measure(select(read_published(), boards), jobs or min(2, os.cpu_count() or 1))
    if as_json:
        print(json.dumps({"model": params.MODEL_VERSION, "rows": [row.as_dict() for row in rows]}))
    else:
        _print_table(rows)


def _print_table(rows: Sequence[Row]) -> None:
    title = f"ncnn, one thread, million cycles (emulated, timing model v{params.MODEL_VERSION})"
    table = make_table(title)
    for column in ("board", "core", "network"):
        table.add_column(column, no_wrap=True)
    for column in ("published", "emulated", "error"):
        table.add_column(column, justify="right")
    table.add_column("used for")
    for row in rows:
        table.add_row(
            row.published.board.name,
            row.published.board.core.name,
            row.published.network,
            f"{row.published.cycles / 1e6:.1f}",
            f"{row.simulated_cycles / 1e6:.1f}",
            f"{row.error:+.1%}",
            row.published.used_for,
        )
    console = make_console()
    console.print(table)
    for kind in dict.fromkeys(row.published.used_for for row in rows):
        errors = [abs(row.error) for row in rows if row.published.used_for == kind]
        console.print(
            f"{kind}: median {statistics.median(errors):.1%}, largest {max(errors):.1%}",
            highlight=False,
        )
