"""One network on one board, by our builds, TVM's own and other inference libraries; one thread."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm

from benchmarks import builds, default_times
from benchmarks.attribution import layers_of
from benchmarks.kept import kept
from benchmarks.peers import library_run, plain_graph
from benchmarks.peers.guest_root import Progress
from benchmarks.peers.library_run import LIBRARIES, Library
from schedules.hardware import Board
from schedules.selection import has_shipped
from tuner import network_run
from tuner.board import launch
from tuner.errors import UserError
from tuner.measure import BoardInfo, describe
from tuner.network_run import Configs
from tuner.networks import Network

OURS = ("hand_picked", "tuned")


@dataclass(frozen=True)
class Row:
    """One way to run the network.

    Attributes:
        name, title: for programs and for people.
        version: of the library, "" for ours.
        cycles: of a warm inference; None for what was not run.
        held_bytes: weights and buffers between two inferences.
        error: largest deviation of the output from float64, relative to its largest value.
        missing: why it was not run.
    """

    name: str
    title: str
    version: str
    cycles: int | None = None
    held_bytes: int | None = None
    error: float | None = None
    missing: str = ""


@dataclass(frozen=True)
class Comparison:
    """All ways to run one network on one board."""

    network: Network
    board: Board
    info: BoardInfo
    macs: int
    rows: list[Row]

    @property
    def ours(self) -> Row:
        """The faster one of our builds."""
        return min((row for row in self.rows if row.name in OURS and row.cycles), key=_cycles)

    @property
    def best_peer(self) -> Row:
        """The fastest one that is not ours."""
        return min((row for row in self.rows if row.name not in OURS and row.cycles), key=_cycles)

    @property
    def ratio_to_best_peer(self) -> float:
        """The best peer's cycles over ours."""
        return _cycles(self.best_peer) / _cycles(self.ours)

    def ms(self, row: Row) -> float:
        """At the board's clock."""
        return _cycles(row) / self.board.clock_hz * 1e3

    def of_peak(self, row: Row) -> float:
        """Multiply-adds of the plain algorithm against what one core could do."""
        return 2 * self.macs / _cycles(row) / self.board.core.peak_flops_per_cycle

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; the keys are documented in docs/benchmarks.md."""
        return {
            "network": self.network.name,
            "title": self.network.title,
            "board": self.board.name,
            "core": self.board.core.name,
            "threads": 1,
            "clock_hz": self.board.clock_hz,
            "rows": [self._row_as_dict(row) for row in self.rows],
            "best_peer": self.best_peer.name,
            "ratio_to_best_peer": round(self.ratio_to_best_peer, 3),
        }

    def _row_as_dict(self, row: Row) -> dict[str, Any]:
        ran = row.cycles is not None
        return {
            "name": row.name,
            "version": row.version,
            "cycles": row.cycles,
            "ms": round(self.ms(row), 3) if ran else None,
            "of_peak": round(self.of_peak(row), 4) if ran else None,
            "held_bytes": row.held_bytes,
            "error": row.error,
            "ours_is_faster_by": round(_cycles(row) / _cycles(self.ours), 3) if ran else None,
            "missing": row.missing or None,
        }


def geometric_mean(comparisons: Sequence[Comparison]) -> float:
    """Of the ratios to each network's best peer."""
    return statistics.geometric_mean(each.ratio_to_best_peer for each in comparisons)


def _cycles(row: Row) -> int:
    assert row.cycles is not None
    return row.cycles


def compare(
    network: Network,
    board: Board,
    libraries: Sequence[str],
    progress: Progress,
    default: bool = True,
) -> Comparison:
    """Run `network` in every way, one thread each, and compare all outputs with float64.

    Args:
        libraries: names of LIBRARIES to run; others do not appear.
        default: whether TVM's own build is run too.

    Raises:
        UserError: a run failed or gave a wrong output, or there is nothing to compare with.
    """
    isa = board.core.isa
    if not default and not any(isa in LIBRARIES[name].wheel.isas for name in libraries):
        there_are = [name for name, library in LIBRARIES.items() if isa in library.wheel.isas]
        raise UserError(
            f"nothing is left to compare with on {board.name}",
            f"leave out --no-default, or choose a --library among {', '.join(there_are)}",
        )
    layers = layers_of(network.module)
    macs = sum(layer.macs for layer in layers.by_name.values())
    data, limit_s = network.random_input(), network_run.time_limit_s(macs)
    expected = network.reference(data)

    def error(name: str, output: np.ndarray) -> float:
        off = network_run.relative_error(output.reshape(expected.shape), expected)
        network_run.require_equal(name, "the float64 network", off)
        return off

    rows = []
    with launch.EmulatedBoard(board, threads=1) as emulated:
        info = describe(emulated, board)
        for name in OURS:
            if name == "tuned" and not has_shipped(board.core, threads=None):
                reason = f"no tuned records are shipped for {board.core.name}"
                rows.append(Row(name, "ours, tuned", "", missing=reason))
                continue
            title = {"hand_picked": "ours, hand-picked", "tuned": "ours, tuned"}[name]
            progress(f"{network.title}: {title}")
            with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
                library = Path(folder) / "network.so"
                configs: Configs | None = {} if name == "hand_picked" else None
                lowered = builds.build(network, board, configs, library, threads=1)
                run = network_run.run_build(emulated, name, library, data, limit_s)
            cycles, held = info.cycles(run.cost_s), builds.held_bytes(lowered)
            rows.append(Row(name, title, "", cycles, held, error(name, run.output)))
        if default:
            progress(f"{network.title}: TVM's own build; minutes the first time, kept afterwards")
            times, _ = default_times.measure(emulated, info, network, layers, data, limit_s)
            off, version = error("tvm_default", times.output), tvm.__version__
            rows.append(Row("tvm_default", "TVM's default", version, times.cycles, None, off))
    for name in libraries:
        rows.append(_library_row(name, LIBRARIES[name], network, board, data, progress, error))
    return Comparison(network, board, info, macs, rows)


def _library_row(
    name: str,
    library: Library,
    network: Network,
    board: Board,
    data: np.ndarray,
    progress: Progress,
    error: Callable[[str, np.ndarray], float],
) -> Row:
    version = library.wheel.version
    if board.core.isa not in library.wheel.isas:
        reason = f"{library.absent} for {board.core.isa}"
        return Row(name, library.title, version, missing=reason)
    progress(f"{network.title}: {library.title} {version}")
    nodes = plain_graph.read(network.module)

    def run() -> dict[str, Any]:
        done = library_run.run(library, board, nodes, data, progress)
        return {"cycles": done.cycles, "held_bytes": done.held_bytes, "output": done.output}

    facts = (version, library_run.digest(library, nodes, data))
    document = kept(f"{name}.{network.name}", board, 1, facts, run)
    off = error(name, np.array(document["output"], np.float32))
    return Row(name, library.title, version, document["cycles"], document["held_bytes"], off)


def require_libraries(names: Sequence[str]) -> list[str]:
    """Return `names`, all libraries for none.

    Raises:
        UserError: one of them is unknown.
    """
    for name in names:
        if name not in LIBRARIES:
            raise UserError(f"unknown library {name!r}", f"choose among {', '.join(LIBRARIES)}")
    return list(names or LIBRARIES)
