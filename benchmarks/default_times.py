"""TVM's own build, call by call. It takes minutes to emulate, so the result is kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tvm

from benchmarks import builds, call_times
from benchmarks.attribution import Layers, attribute
from benchmarks.call_times import Call, CallTimes
from benchmarks.kept import kept
from tuner import network_run
from tuner.board.launch import EmulatedBoard
from tuner.measure import BoardInfo
from tuner.networks import Network


def measure(
    emulated: EmulatedBoard,
    info: BoardInfo,
    network: Network,
    layers: Layers,
    data: np.ndarray,
    limit_s: float,
) -> tuple[CallTimes, list[tuple[str, ...]]]:
    """Return the calls of one inference of TVM's own build, and the layers of each."""
    shapes = [(layer.name, layer.operator, layer.workload) for layer in layers.by_name.values()]
    facts = (network.name, network.seed, network.input_shape, shapes, tvm.__version__)
    document = kept(
        f"tvm-default.{network.name}",
        emulated.board,
        emulated.threads,
        facts,
        lambda: _run(emulated, info, network, layers, data, limit_s),
    )
    calls = tuple(Call(each["kernel"], each["cycles"]) for each in document["calls"])
    owners = [tuple(each["layers"]) for each in document["calls"]]
    output = np.array(document["output"], "float32")
    return CallTimes(sum(call.cycles for call in calls), calls, output), owners


def _run(
    emulated: EmulatedBoard,
    info: BoardInfo,
    network: Network,
    layers: Layers,
    data: np.ndarray,
    limit_s: float,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        library = Path(folder) / "default.so"
        lowered = builds.build_default(network, emulated.board, library)
        times = call_times.measure(
            emulated, info, "tvm_default", library, data, limit_s, undisturbed=False
        )
    error = network_run.relative_error(times.output, network.reference(data))
    network_run.require_equal("tvm_default", "the float64 network", error)
    owners = [names for _, names in attribute(lowered, layers)]
    calls = [
        {"kernel": call.kernel, "cycles": call.cycles, "layers": names}
        for call, names in zip(times.calls, owners, strict=True)
    ]
    return {"calls": calls, "output": times.output}
