"""Measured search spaces: every candidate of some convolutions, with its cycles and static facts.

One file a convolution in `benchmarks/results/spaces`: gzip of JSON Lines, the first line about the
file, then one line a candidate. `python -m benchmarks search --measure` writes them.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import kept
from benchmarks.provenance import provenance
from schedules import Conv2dWorkload
from schedules.hardware import Board
from tuner import networks, tasks
from tuner.board.launch import EmulatedBoard
from tuner.errors import UserError
from tuner.measure import Measurer, describe
from tuner.records import Log, Record
from tuner.report.progress import Progress
from tuner.search import Candidate, Space
from tuner.task_search import TaskSearch
from tuner.tasks import Task
from tuner.tune import Options, tune

FOLDER = Path(__file__).parents[1] / "results" / "spaces"

# Layers of the four networks whose good candidates are few: where every other one is good, as in
# SqueezeNet's conv1, there is nothing to search.
LAYERS = (
    ("squeezenet", "fire2_squeeze"),
    ("squeezenet", "fire9_squeeze"),
    ("resnet18", "layer2_0_down"),
    ("resnet18", "layer3_0_down"),
    ("mobilenet", "conv7_pw"),
    ("squeezenet", "fire8_squeeze"),
)


@dataclass(frozen=True)
class Measured:
    """A candidate as it was measured; `cycles` is None where it failed."""

    candidate: Candidate
    cycles: int | None
    static: dict[str, Any] | None


@dataclass(frozen=True)
class StoredSpace:
    """All candidates of a convolution.

    Attributes:
        about: `name`, `network`, `workload`, `macs`, `epilogue`, `core`, `board` (as in a record),
            `command`, `versions`, `model`.
        measured: in the order of the space.
    """

    about: dict[str, Any]
    measured: tuple[Measured, ...]

    @property
    def workload(self) -> Conv2dWorkload:
        return Conv2dWorkload.from_key(self.about["workload"])

    @property
    def best_cycles(self) -> int:
        """Cycles of the fastest candidate."""
        return min(each.cycles for each in self.measured if each.cycles is not None)


def find_task(network: str, layer: str) -> Task:
    """Return the convolution that `layer` of a built-in network is."""
    found = tasks.extract(networks.get(network).module)
    return next(task for task in found if layer in task.layers)


def path_of(network: str, layer: str, board: Board) -> Path:
    """Where the space of a layer is stored."""
    return FOLDER / f"{network}.{layer}.{board.name}.jsonl.gz"


def load(path: Path) -> StoredSpace:
    """Read a stored space.

    Raises:
        UserError: it is missing.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            about, *rows = map(json.loads, file)
    except OSError as error:
        raise UserError(
            f"cannot read the measured space {path}: {error.strerror or error}",
            "measure it: python -m benchmarks search --measure",
        ) from error
    measured = [
        Measured(
            Candidate(row["schedule"], row["version"], row["config"]), row["cycles"], row["static"]
        )
        for row in rows
    ]
    return StoredSpace(about, tuple(measured))


def measure(board: Board, layers: Sequence[tuple[str, str]] = LAYERS) -> Iterator[Path]:
    """Measure the spaces of `layers` on the emulated board and store them; yields each file.

    What a run that was interrupted had measured is in a log in the cache folder.
    """
    workers = os.cpu_count() or 1
    with (
        Log(kept.folder() / f"search.{board.name}.jsonl") as log,
        EmulatedBoard(board) as emulated,
        Measurer(board.core.name, [emulated] * workers, workers) as measurer,
    ):
        info = describe(emulated, board)
        for network, layer in layers:
            search = TaskSearch(find_task(network, layer), board.core)
            options = Options(network, None, 0, "grid", least_gain=0.0)
            with Progress(len(search.space), None, True, sys.stderr.isatty()) as progress:
                tune([search], options, info, log, measurer, progress)
            about = {
                "name": f"{network} {layer}",
                "network": network,
                "workload": search.task.workload.key,
                "macs": search.task.workload.macs,
                "epilogue": list(search.task.epilogue),
                "core": board.core.name,
                "board": info.to_record(),
                **provenance(),
            }
            place = (search.task.workload.key, search.task.epilogue, info.fingerprint)
            records = [record for record in log.trials if record.place == place]
            path = path_of(network, layer, board)
            store(path, about, search.space, records)
            yield path


def store(path: Path, about: dict[str, Any], space: Space, records: Sequence[Record]) -> None:
    """Write the records of a whole space in the order of the space, the same bytes every time."""
    by_candidate = {
        Candidate(each.schedule["name"], each.schedule["version"], each.config): each
        for each in records
    }
    lines = [json.dumps(about)]
    for candidate in space:
        record = by_candidate[candidate]
        row = {
            "schedule": candidate.schedule,
            "version": candidate.version,
            "config": dict(candidate.config),
            "cycles": record.cycles,
            "static": record.static,
        }
        lines.append(json.dumps(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n", mtime=0))
