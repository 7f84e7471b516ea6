"""Numbers that describe a config to the cost model: the same length for every schedule."""

from __future__ import annotations

import math

from . import competition
from .competition import Workload
from .fire_workload import FireWorkload
from .hardware import Core
from .knobs import Config


def features(workload: Workload, core: Core, schedule: str, config: Config) -> list[float]:
    """Facts of the loop nest that a config stands for, to predict its speed.

    Which schedule it is (one of each), the workload's size, and the schedule's own derived facts,
    in the order of `FACTS`; a fact that a schedule does not have is 0. The last number is the size
    of a fire module's squeezed tensor.
    """
    facts = competition.get(schedule).features(workload, core, config)
    unknown = set(facts) - set(FACTS)
    if unknown:
        raise ValueError(
            f"{schedule} has features that schedules.features does not list: {unknown}"
        )
    kind = [float(name == schedule) for name in competition.names()]
    size = [math.log2(value) for value in (workload.co, workload.pixels, workload.k)]
    squeezed = math.log2(workload.squeeze.co) if isinstance(workload, FireWorkload) else 0.0
    return kind + size + [float(facts.get(name, 0.0)) for name in FACTS] + [squeezed]


FACTS = (
    "log2_mr",
    "log2_nr",
    "log2_block",
    "shares_channels",
    "in_place",
    "rows_a_tile",
    "waste",
    "loads_per_fma",
    "log2_panel_bytes",
    "log2_panels_bytes",
    "log2_weight_tile_bytes",
    "panels_in_l1",
    "imbalance",
    "weight_passes",
    "winograd_m",
    "log2_mr_expand",
)
"""The derived facts; most are explained in `conv2d.facts.NestShape.features`.

`winograd_m` is the width of a tile of Winograd's outputs; `rows_a_tile` is its height.
"""
