"""A network's time on an emulated board, layer by layer, and that of TVM's own build."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import schedules
from benchmarks import builds, call_times, default_times
from benchmarks.attribution import Layer, Layers, attribute, layers_of
from benchmarks.call_times import CallTimes
from schedules.hardware import Board
from tuner import network_run
from tuner.board import launch
from tuner.measure import BoardInfo, describe
from tuner.network_run import Configs
from tuner.networks import Network


@dataclass
class Row:
    """Layers that one kernel computes together.

    Attributes:
        layers: in the network's order.
        kernels, cycles: what our build calls for them.
        schedules: (schedule, config) of each convolution among them.
        default_cycles: what TVM's own build takes for them; None where it was not run.
    """

    layers: list[Layer]
    kernels: list[str]
    cycles: int
    schedules: list[tuple[str, dict[str, int | str]]]
    default_cycles: int | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the plain algorithms."""
        return sum(layer.macs for layer in self.layers)

    @property
    def title(self) -> str:
        """The layers' names; what all of them begin with is said once."""
        names = [layer.name for layer in self.layers] or self.kernels
        prefix = names[0][: names[0].rfind("_") + 1]
        if len(names) == 1 or not all(name.startswith(prefix) for name in names):
            prefix = ""
        return prefix + " + ".join(name.removeprefix(prefix) for name in names)

    @property
    def how(self) -> str:
        """The schedules, or the operators of what has none."""
        operators = [layer.operator.removeprefix("nn.") for layer in self.layers]
        names = [name for name, _ in self.schedules] or operators
        return " + ".join(dict.fromkeys(names))


@dataclass(frozen=True)
class Result:
    """One network on one board.

    Attributes:
        rows: in order of execution; their cycles and `ours.between` add up to `ours.cycles`.
        default: TVM's own build, None where it was not run.
        error: largest deviation of the output from float64, relative to its largest value.
    """

    network: Network
    board: Board
    info: BoardInfo
    configs: str
    rows: list[Row]
    ours: CallTimes
    default: CallTimes | None
    error: float

    @property
    def peak_flops_per_cycle(self) -> float:
        return self.board.core.peak_flops_per_cycle * (self.info.threads or 1)

    def of_peak(self, macs: int, cycles: int) -> float | None:
        """Share of what the threads could do at best; None for what only moves data."""
        return 2 * macs / cycles / self.peak_flops_per_cycle if macs else None

    def as_dict(self) -> dict[str, Any]:
        """For `--json`; the keys are documented in docs/benchmarks.md."""
        return {
            "network": self.network.name,
            "board": self.board.name,
            "core": self.board.core.name,
            "threads": self.info.threads,
            "clock_hz": self.info.clock_hz,
            "configs": self.configs,
            "layers": [self._row_as_dict(row) for row in self.rows],
            "total": self._total_as_dict(),
        }

    def _row_as_dict(self, row: Row) -> dict[str, Any]:
        peak = self.of_peak(row.macs, row.cycles)
        return {
            "layers": [layer.name for layer in row.layers],
            "operators": [layer.operator for layer in row.layers],
            "kernels": row.kernels,
            "schedules": [{"name": name, "config": config} for name, config in row.schedules],
            "macs": row.macs,
            "cycles": row.cycles,
            "of_peak": None if peak is None else round(peak, 4),
            "tvm_default_cycles": row.default_cycles,
            "ratio_to_tvm_default": _ratio(row.default_cycles, row.cycles),
        }

    def _total_as_dict(self) -> dict[str, Any]:
        default = self.default.cycles if self.default else None
        peak = self.of_peak(sum(row.macs for row in self.rows), self.ours.cycles)
        return {
            "cycles": self.ours.cycles,
            "kernel_cycles": sum(call.cycles for call in self.ours.calls),
            "between_cycles": self.ours.between,
            "ms": round(self.ours.cycles / (self.info.clock_hz or 1) * 1e3, 3),
            "of_peak": None if peak is None else round(peak, 4),
            "tvm_default_cycles": default,
            "ratio_to_tvm_default": _ratio(default, self.ours.cycles),
            "error": self.error,
        }


def _ratio(default: int | None, ours: int) -> float | None:
    return None if default is None else round(default / ours, 2)


def measure(
    network: Network,
    board: Board,
    threads: int,
    configs: Configs | None,
    title: str,
    with_default: bool,
    pool_in_place: bool = True,
) -> Result:
    """Measure every layer of `network` on an emulated board, in one warm inference.

    Args:
        configs: as `builds.build` takes them.
        title: what the configs are called.
        with_default: measure TVM's own build too.
        pool_in_place: see `schedules.pipeline`.

    Raises:
        UserError: the board cannot be emulated, or an output is wrong.
    """
    layers = layers_of(network.module)
    data = network.random_input()
    limit_s = network_run.time_limit_s(sum(layer.macs for layer in layers.by_name.values()))
    default: CallTimes | None = None
    default_owners: list[tuple[str, ...]] = []
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as folder,
        launch.EmulatedBoard(board, threads=threads) as emulated,
    ):
        info = describe(emulated, board)
        library = Path(folder) / "network.so"
        _say(f"building and running {network.title}, {title}")
        lowered = builds.build(network, board, configs, library, threads, pool_in_place)
        ours = call_times.measure(emulated, info, title, library, data, limit_s)
        if with_default:
            _say("TVM's own build: minutes at the first time, kept afterwards")
            default, default_owners = default_times.measure(
                emulated, info, network, layers, data, limit_s
            )
    error = network_run.relative_error(ours.output, network.reference(data))
    network_run.require_equal(title, "the float64 network", error)
    owners = [names for _, names in attribute(lowered, layers)]
    rows = _rows(layers, board, threads, configs, ours, owners)
    if default is not None:
        _add_default(rows, default, default_owners)
    return Result(network, board, info, title, rows, ours, default, error)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _rows(
    layers: Layers,
    board: Board,
    threads: int,
    configs: Configs | None,
    times: CallTimes,
    owners: Sequence[tuple[str, ...]],
) -> list[Row]:
    rows: dict[str, Row] = {}
    for call, names in zip(times.calls, owners, strict=True):
        row = next((rows[name] for name in names if name in rows), None) or Row([], [], 0, [])
        row.kernels.append(call.kernel)
        row.cycles += call.cycles
        for name in names:
            if name not in rows and name in layers.by_name:
                row.layers.append(layers.by_name[name])
            rows.setdefault(name, row)
    for layer in layers.by_name.values():  # what no call computes is part of the one before
        if layer.name not in rows and layer.follows in rows:
            rows[layer.name] = rows[layer.follows]
            rows[layer.name].layers.append(layer)
    unique = list({id(row): row for row in rows.values()}.values())
    with schedules.using(configs) if configs is not None else nullcontext():
        for row in unique:
            workloads = [layer.workload for layer in row.layers if layer.workload is not None]
            chosen = [schedules.choose(workload, board.core, threads) for workload in workloads]
            row.schedules = [(each[0].name, dict(each[1])) for each in chosen if each is not None]
    return unique


def _add_default(rows: Sequence[Row], times: CallTimes, owners: Sequence[tuple[str, ...]]) -> None:
    by_layer = {layer.name: row for row in rows for layer in row.layers}
    for call, names in zip(times.calls, owners, strict=True):
        for name in names[:1]:
            if row := by_layer.get(name):
                row.default_cycles = (row.default_cycles or 0) + call.cycles
