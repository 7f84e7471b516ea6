"""Which schedule and config a convolution gets at compile time. It is never an error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from .conv2d import fire
from .conv2d.fire import FireWorkload
from .hardware import Core
from .knobs import Config
from .registry import Schedule, find, get, list_schedules
from .workload import Conv2dWorkload

Choices = Mapping[str, tuple[str, Config]]
"""Workload key -> (schedule name, config)."""

_RECORDS = Path(__file__).with_name("records")
_chosen: ContextVar[Choices | None] = ContextVar("chosen schedules", default=None)


@contextmanager
def using(choices: Choices) -> Iterator[None]:
    """Inside the block exactly `choices` are used; other workloads get their hand-picked default.

    `using({})` therefore builds with defaults only, whatever records are shipped.
    """
    token = _chosen.set(choices)
    try:
        yield
    finally:
        _chosen.reset(token)


def choose(workload: Conv2dWorkload, core: Core) -> tuple[Schedule, Config] | None:
    """The schedule and config for `workload` on `core`; None when no schedule supports it.

    In this order: the choices of an enclosing `using`; else a shipped tuned record of this very
    workload and core; else the hand-picked default of the most promising schedule.
    """
    choices = _chosen.get()
    picked = (choices if choices is not None else shipped(core.name)).get(workload.key)
    if picked is not None and picked[0] in list_schedules():
        chosen = get(picked[0])
        if chosen.supports(workload, core) and picked[1] in chosen.space(workload, core):
            return chosen, picked[1]
    candidates = find(workload, core)
    if not candidates:
        return None
    return candidates[0], candidates[0].default(workload, core)


def choose_fire(workload: FireWorkload, core: Core) -> Config | None:
    """The config for a whole fire module on `core`; None where it is better left in pieces.

    A choice of an enclosing `using` under the module's own key, else the hand-picked default where
    it pays.
    """
    if not fire.supports(workload, core):
        return None
    picked = (_chosen.get() or {}).get(workload.key)
    if picked is not None and picked[0] == fire.NAME and picked[1] in fire.space(workload, core):
        return picked[1]
    return fire.default(workload, core) if fire.pays(workload, core) else None


@cache
def shipped(core: str) -> Choices:
    """The tuned records that come with the package for `core`, the fastest of each workload."""
    best: dict[str, tuple[float, tuple[str, Config]]] = {}
    for path in sorted(_RECORDS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            name, version = record["schedule"]["name"], record["schedule"]["version"]
            if record["core"] != core or name not in list_schedules() or not record["costs_s"]:
                continue
            if get(name).version != version:
                continue
            cost = min(record["costs_s"])
            known = best.get(record["workload"])
            if known is None or cost < known[0]:
                best[record["workload"]] = (cost, (name, record["config"]))
    return {key: choice for key, (_, choice) in best.items()}
