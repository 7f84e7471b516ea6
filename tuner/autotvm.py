"""Logs of AutoTVM, the tuner that TVM had until 0.19: its configs in terms of these schedules.

A line of format 0.2 is one JSON object (tvm/autotvm/record.py, `encode`):

    {"input": [target, task, args, kwargs],
     "config": {"index": 7, "code_hash": null, "entity": [["tile_co", "sp", [-1, 8]], ...]},
     "result": [[seconds, ...], error number, all cost, timestamp],
     "version": 0.2, "tvm_version": "0.8.0"}

The knobs are those of topi/arm_cpu/conv2d_spatial_pack.py and depthwise_conv2d.py. `tile_co`,
`tile_oh` and `tile_ow` cut an axis in two; the inner extents make the register tile.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import schedules
from schedules import Conv2dWorkload
from schedules.hardware import Core
from tuner.errors import UserError
from tuner.starts import Start

_VERSION = 0.2
_Tile = Mapping[str, int]


class _NotMapped(Exception):
    """A line that is right but has no counterpart here; says why, for all lines of its kind."""


def _spatial_pack(tile: _Tile) -> dict[str, int | str]:
    # Its input was packed for the whole map; "tile" packs the least at a time.
    return {"mr": tile["tile_co"], "vh": tile["tile_oh"], "vw": tile["tile_ow"], "block": "tile"}


def _depthwise(tile: _Tile) -> dict[str, int | str]:
    # Channels are not vectorized here, so tile_co has no counterpart.
    return {"vh": tile["tile_oh"], "vw": tile["tile_ow"]}


# Task -> schedule, and its config for the register tile of the task.
_TASKS: Mapping[str, tuple[str, Callable[[_Tile], dict[str, int | str]]]] = {
    "conv2d_nchw_spatial_pack.arm_cpu": ("conv2d_nchw_spatial_pack", _spatial_pack),
    "depthwise_conv2d_nchw_spatial_pack.arm_cpu": ("depthwise_conv2d", _depthwise),
}
_KNOBS = ("tile_co", "tile_oh", "tile_ow")


@dataclass
class Imported:
    """What came of a log.

    Attributes:
        starts: the configs to try first: by workload, the fastest there first.
        lines: lines of the log.
        mapped: those whose config exists here; several may be one config.
        left_out: reason -> lines that have no counterpart.
    """

    starts: list[Start] = field(default_factory=list)
    lines: int = 0
    mapped: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def read(path: Path, core: Core, most: int) -> Imported:
    """Return the configs of AutoTVM's log at `path` that are legal on `core`.

    Args:
        most: distinct configs to keep of each workload, those that were fastest there.

    Raises:
        UserError: the file cannot be read, or a line is not AutoTVM's.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(
            f"cannot read the log {path}: {error.strerror or error}", "name another file"
        ) from error
    result, found = Imported(), []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        result.lines += 1
        try:
            found.append(_start(json.loads(line), core))
            result.mapped += 1
        except _NotMapped as reason:
            result.left_out[str(reason)] += 1
        except (ValueError, KeyError, IndexError, TypeError, OverflowError):
            raise UserError(
                f"line {number} of {path} is not a record of AutoTVM, or is cut short",
                "remove the line, or copy the log anew",
            ) from None
    result.starts = _fastest(found, most)
    return result


def _fastest(starts: Iterable[Start], most: int) -> list[Start]:
    """Leave out repeated configs and all but the fastest of each workload."""
    kept: dict[str, dict[str, Start]] = {}
    for start in sorted(starts, key=lambda each: each.origin["cost_s"]):
        of_workload = kept.setdefault(start.workload, {})
        if len(of_workload) < most:
            of_workload.setdefault(start.candidate.key, start)
    return [start for workload in sorted(kept) for start in kept[workload].values()]


def _start(line: dict[str, Any], core: Core) -> Start:
    """Return what a line says in terms of these schedules.

    Raises:
        _NotMapped: it has no counterpart.
        ValueError, KeyError, IndexError, TypeError, OverflowError: it is not AutoTVM's.
    """
    if "i" in line and "r" in line:  # the short names of format 0.1
        raise _NotMapped(f"format {line['v']}, only {_VERSION} can be read")
    if line["version"] != _VERSION:
        raise _NotMapped(f"format {line['version']}, only {_VERSION} can be read")
    target, task, args, _ = line["input"]
    costs, error, _, _ = line["result"]
    if task not in _TASKS:
        raise _NotMapped(f"no schedule like {_word(task)}")
    if error != 0:
        raise _NotMapped("failed when AutoTVM measured it")
    name, convert = _TASKS[task]
    workload = _workload(args, is_depthwise=name == "depthwise_conv2d")
    schedule = schedules.get(name)
    if not schedule.supports(workload, core):
        raise _NotMapped(f"{name} does not serve such a convolution")
    tile = _tile(line["config"]["entity"])
    config = convert(tile)
    if config not in schedule.space(workload, core):
        raise _NotMapped(f"{name} has no such tile on {core.name}")
    cost_s = min(costs)
    if not (math.isfinite(cost_s) and cost_s > 0):
        raise ValueError("no time")
    return Start(
        workload.key,
        {"name": name, "version": schedule.version},
        config,
        {"tool": "AutoTVM", "target": str(target), "cost_s": cost_s},
    )


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no task name")
    return value


def _workload(args: list[Any], *, is_depthwise: bool) -> Conv2dWorkload:
    """Return the workload of a task: data, kernel, strides, padding, dilation, output dtype."""
    data, kernel, strides, padding, dilation, out_dtype = args
    (n, ci, h, w), (co, multiplier, kh, kw) = _shape(data), _shape(kernel)
    if data[2] != out_dtype:
        raise _NotMapped(f"sums of {data[2]} in {out_dtype}")
    vertical, horizontal = _pair(strides)
    sides = padding if isinstance(padding, list) and len(padding) == 4 else [*_pair(padding)] * 2
    top, left, bottom, right = map(int, sides)
    return Conv2dWorkload(
        *(n, ci, h, w, co * multiplier if is_depthwise else co, kh, kw),
        stride=(vertical, horizontal),
        padding=(top, left, bottom, right),
        dilation=_pair(dilation),
        groups=ci if is_depthwise else 1,
        dtype=str(data[2]),
    )


def _shape(tensor: list[Any]) -> tuple[int, int, int, int]:
    kind, (first, second, third, fourth), _ = tensor
    if kind != "TENSOR":
        raise TypeError("no tensor")
    return int(first), int(second), int(third), int(fourth)


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, list) else (value, value)
    return int(first), int(second)


def _tile(entity: list[Any]) -> dict[str, int]:
    """Return the inner extent of each split axis."""
    splits = {name: sizes for name, kind, sizes in entity if kind == "sp"}
    for knob in _KNOBS:
        if len(splits[knob]) != 2:
            raise _NotMapped(f"{knob} cuts its axis into {len(splits[knob])}, not in two")
    return {knob: int(splits[knob][-1]) for knob in _KNOBS}
