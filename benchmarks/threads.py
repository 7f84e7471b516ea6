"""`python -m benchmarks threads`: what more cores give, beside latencies of real boards."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from benchmarks import builds
from benchmarks.provenance import provenance
from schedules.hardware import Board
from tuner import network_run, networks, tasks
from tuner.board import launch
from tuner.board.emulator import params
from tuner.cli.options import resolve_board, target_option
from tuner.measure import describe
from tuner.networks import Network
from tuner.report.tables import make_console, make_table

_PUBLISHED = Path(__file__).with_name("published_threads.csv")
_ALL = "all"


@dataclass(frozen=True)
class Published:
    """A latency that somebody measured on a real board.

    Attributes:
        input: pixels a side; ncnn's SqueezeNet reads 227.
    """

    board: str
    network: str
    threads: int
    latency_ms: float
    system: str
    input: int
    source: str


@dataclass(frozen=True)
class Row:
    """One network on some cores of the board."""

    network: str
    threads: int
    cycles: int
    ms: float
    one_thread_ms: float
    error: float
    published: list[Published]

    @property
    def speedup(self) -> float:
        """Over one thread."""
        return self.one_thread_ms / self.ms

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; the keys are documented in docs/benchmarks.md."""
        return {
            "network": self.network,
            "threads": self.threads,
            "cycles": self.cycles,
            "ms": round(self.ms, 3),
            "speedup": round(self.speedup, 3),
            "error": self.error,
            "published": [
                {
                    "system": each.system,
                    "latency_ms": each.latency_ms,
                    "input": each.input,
                    "source": each.source,
                    "published_over_ours": round(each.latency_ms / self.ms, 3),
                }
                for each in self.published
            ],
        }


def read_published(path: Path = _PUBLISHED) -> list[Published]:
    """The rows of the file, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Published(
                board=row["board"],
                network=row["network"],
                threads=int(row["threads"]),
                latency_ms=float(row["latency_ms"]),
                system=row["system"],
                input=int(row["input"]),
                source=row["source"],
            )
            for row in csv.DictReader(file)
        ]


def counts(board: Board) -> list[int]:
    """1, 2, 4 and so on, up to the board's cores."""
    return [1 << power for power in range(board.cores.bit_length())]


def measure(network: Network, board: Board, tuned: bool, bar: tqdm) -> list[Row]:
    """Build `network` for 1, 2 and 4 cores and run it; its output is compared with float64.

    Raises:
        UserError: an output is wrong, or the board cannot be emulated.
    """
    data = network.random_input()
    expected = network.reference(data)
    limit_s = network_run.time_limit_s(tasks.total_macs(tasks.extract(network.module)))
    published = [row for row in read_published() if row.board == board.name]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        library = Path(folder) / "network.so"
        for threads in counts(board):
            builds.build(network, board, None if tuned else {}, library, threads)
            with launch.EmulatedBoard(board, threads=threads) as emulated:
                info = describe(emulated, board)
                name = f"{threads}-thread"
                run = network_run.run_build(emulated, name, library, data, limit_s)
            error = network_run.relative_error(run.output, expected)
            network_run.require_equal(name, "the float64 network", error)
            ms = run.cost_s * 1e3
            row = Row(
                network=network.name,
                threads=threads,
                cycles=info.cycles(run.cost_s) or 0,
                ms=ms,
                one_thread_ms=rows[0].ms if rows else ms,
                error=error,
                published=[
                    each
                    for each in published
                    if (each.network, each.threads) == (network.name, threads)
                ],
            )
            rows.append(row)
            bar.update()
    return rows


@click.command("threads")
@click.option("--network", default=_ALL, show_default=True, help="A built-in network, or all.")
@target_option
@click.option("--tuned", is_flag=True, help="The tuned records shipped for that many threads.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def threads_verb(network: str, target: str, tuned: bool, as_json: bool) -> None:
    """Run networks on 1, 2 and 4 cores of the emulated board, beside published latencies."""
    board = resolve_board(target)
    names = networks.names() if network == _ALL else [network]
    known = [networks.get(name) for name in names]
    with tqdm(total=len(known) * len(counts(board)), unit="run", desc="threads") as bar:
        rows = [row for each in known for row in measure(each, board, tuned, bar)]
    configs = "tuned configs" if tuned else "hand-picked configs"
    if as_json:
        facts = {"board": board.name, "core": board.core.name, "clock_hz": board.clock_hz}
        document = {**facts, "configs": configs, "rows": [row.as_dict() for row in rows]}
        print(json.dumps({**document, **provenance()}))
    else:
        sys.stderr.flush()
        _print_table(board, configs, rows)


def _print_table(board: Board, configs: str, rows: Sequence[Row]) -> None:
    label = f"(emulated, timing model v{params.MODEL_VERSION})"
    table = make_table(f"{board.name}, {configs} {label}")
    table.add_column("network", no_wrap=True)
    for column in ("threads", "Mcycles", "ms", "speedup"):
        table.add_column(column, justify="right")
    table.add_column("published for a real board")
    for row in rows:
        published = [
            f"{each.latency_ms:g} ms ({each.latency_ms / row.ms:.2f}x): {each.system}"
            for each in row.published
        ]
        table.add_row(
            row.network,
            str(row.threads),
            f"{row.cycles / 1e6:.1f}",
            f"{row.ms:.1f}",
            f"{row.speedup:.2f}x",
            "\n".join(published) or "-",
        )
    console = make_console()
    console.print(table)
    for line in (
        "Published latencies were measured on real boards; ours are model times, which were up to "
        "13 % off for one thread (docs/fidelity.md) and were not checked for more.",
        "ncnn's published SqueezeNet reads 227x227 pixels, all others 224x224.",
    ):
        console.print(line, highlight=False)
