"""TVM's own build, call by call. It takes minutes to emulate, so the result is kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tvm

from benchmarks import builds, call_times
from benchmarks.attribution import Layers, attribute
from benchmarks.call_times import Call, CallTimes
from schedules.hardware import Board
from tuner import network_run
from tuner.board import build as board_build
from tuner.board.emulator import params
from tuner.board.launch import EmulatedBoard
from tuner.measure import BoardInfo
from tuner.networks import Network

_VERSION = 1  # of the file's format


def measure(
    emulated: EmulatedBoard,
    info: BoardInfo,
    network: Network,
    layers: Layers,
    data: np.ndarray,
    limit_s: float,
) -> tuple[CallTimes, list[tuple[str, ...]]]:
    """Return the calls of one inference of TVM's own build, and the layers of each.

    Kept in the cache folder under all that they depend on.
    """
    path = _path(emulated, network, layers)
    if path.exists():
        return _from_json(json.loads(path.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        library = Path(folder) / "default.so"
        lowered = builds.build_default(network, emulated.board, library)
        times = call_times.measure(emulated, info, library, data, limit_s, undisturbed=False)
    owners = [names for _, names in attribute(lowered, layers)]
    expected = network.reference(data)
    network_run.require_equal(
        "tvm_default", "the float64 network", network_run.relative_error(times.output, expected)
    )
    unfinished = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_text(json.dumps(_to_json(times, owners)), encoding="utf-8")
    unfinished.replace(path)
    return times, owners


def kept_in() -> Path:
    """The folder of the results."""
    return board_build.cache_folder() / "tvm-default"


def _path(emulated: EmulatedBoard, network: Network, layers: Layers) -> Path:
    board: Board = emulated.board
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        tables = Path(folder) / "tables.txt"
        params.write(board, tables, emulated.threads)
        digest = hashlib.sha256(tables.read_bytes())
    facts = (
        *(_VERSION, network.name, network.seed, network.input_shape, emulated.threads),
        *(params.MODEL_VERSION, tvm.__version__),
        [(layer.name, layer.operator, layer.workload) for layer in layers.by_name.values()],
    )
    digest.update(repr(facts).encode())
    return kept_in() / f"{network.name}.{board.name}.{digest.hexdigest()[:16]}.json"


def _to_json(times: CallTimes, owners: list[tuple[str, ...]]) -> dict[str, Any]:
    calls = [
        {"kernel": call.kernel, "cycles": call.cycles, "layers": names}
        for call, names in zip(times.calls, owners, strict=True)
    ]
    return {"cycles": times.cycles, "calls": calls, "output": times.output.tolist()}


def _from_json(document: dict[str, Any]) -> tuple[CallTimes, list[tuple[str, ...]]]:
    calls = tuple(Call(each["kernel"], each["cycles"]) for each in document["calls"])
    output = np.array(document["output"], "float32")
    owners = [tuple(each["layers"]) for each in document["calls"]]
    return CallTimes(document["cycles"], calls, output), owners
