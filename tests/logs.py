"""Logs to read in tests: real shipped records, with made-up trials around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import schedules
from schedules import FireWorkload, hardware
from tuner import networks, records, tasks
from tuner.records import Log, Record
from tuner.runs import Kernel, Layer, Run
from tuner.task_search import TaskSearch

_SHIPPED = Path(schedules.__file__).parent / "records"
BUILDS = {
    "tvm_default": {"cost_s": 1.5, "cycles": 2_700_000_000, "max_error": 3e-6},
    "hand_picked": {"cost_s": 0.032, "cycles": 57_600_000, "max_error": 1e-6},
    "tuned": {"cost_s": 0.030, "cycles": 54_000_000, "max_error": 1e-6},
}
KERNELS = (
    Kernel("fused_conv2d_gemm_add_relu", (1, 64, 55, 55), 2, 0.012),
    Kernel("max_pool2d", (1, 64, 27, 27), 1, 0.002),
    Kernel("softmax", (1, 1000), 1, 0.0001),
)
ERROR = {"kind": "run", "text": "died of <SIGSEGV>\nat 0x0"}


@cache
def _searches() -> list[TaskSearch]:
    core = hardware.core("cortex-a17")
    found = tasks.extract(networks.get("squeezenet").module)
    return [TaskSearch(task, core) for task in found]


def squeezenet(
    path: Path, speed: float = 1.0, board_changes: dict | None = None, whole: bool = True
) -> Path:
    """Write a log of SqueezeNet on the rk3288: each layer hand-picked, failed, and tuned.

    Args:
        speed: how many times as fast as shipped the best configs are.
        board_changes: fields of the board that differ from the shipped records'.
        whole: whether the network was measured end to end.
    """
    shipped = {record.workload: record for record in records.read(_SHIPPED / "rk3288.jsonl")}
    for search in _searches():
        if search.task.workload.key not in shipped:  # a fire module
            shipped[search.task.workload.key] = _fire(search, shipped)
    board = {**next(iter(shipped.values())).board, **(board_changes or {})}
    layers = []
    with Log(path) as log:
        for search in _searches():
            best = replace(shipped[search.task.workload.key], board=board)
            best = replace(best, costs_s=(best.costs_s[0] / speed,))
            candidate = search.space.defaults()[0]
            schedule = {"name": candidate.schedule, "version": candidate.version}
            chosen = {"schedule": schedule, "config": dict(candidate.config)}
            key, names, epilogue = best.workload, search.task.layers, search.task.epilogue
            layers.append(Layer(key, names, epilogue, chosen))
            if best.config != chosen["config"]:
                log.append(replace(best, **chosen, costs_s=(1.25 * best.costs_s[0],)))
            log.append(_failed(best))
            log.append(best)
        last = best
        run = Run(
            last.time,
            "squeezenet",
            "SqueezeNet 1.1, 224x224",
            last.core,
            board,
            tuple(layers),
            {"seed": 0, "strategy": "xgb", "trials": 192, "time_s": None},
            versions=last.versions,
        )
        log.append_run(run)
        if whole:
            log.append_run(replace(run, builds=BUILDS, kernels=KERNELS))
    return path


def _fire(search: TaskSearch, shipped: Mapping[str, Record]) -> Record:
    """A made-up record of a fire module: as one function it takes 0.8 of its parts' time."""
    workload = search.task.workload
    assert isinstance(workload, FireWorkload)
    parts = [shipped[part.key] for part in workload.parts]
    candidate = next(iter(search.space))
    return replace(
        parts[0],
        workload=workload.key,
        schedule={"name": candidate.schedule, "version": candidate.version},
        config=dict(candidate.config),
        costs_s=(0.8 * sum(part.costs_s[0] for part in parts),),
    )


def _failed(best: Record) -> Record:
    config = {**best.config, "broken": 1}
    return replace(best, config=config, costs_s=(), cycles=None, check=None, error=ERROR)
