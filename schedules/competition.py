"""What competes for a workload, in one manner for convolutions and whole fire modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tvm

from . import registry
from .building import conv2d_module, fire_constants, fire_module
from .conv2d import fire_ways
from .fire_workload import IN_PIECES, ONE_FUNCTION, VERSIONS, FireWorkload
from .hardware import Core
from .knobs import Config, KnobSpace
from .selection import choose, choose_fire
from .workload import Conv2dWorkload

Workload = Conv2dWorkload | FireWorkload


class Competitor(Protocol):
    """What `Schedule` and `FireWay` have in common."""

    name: str
    version: int

    def space(self, workload: Any, core: Core) -> KnobSpace: ...

    def default(self, workload: Any, core: Core) -> Config: ...

    def starts(self, workload: Any, core: Core) -> list[Config]: ...

    def features(self, workload: Any, core: Core, config: Config) -> dict[str, float]: ...


def from_key(key: str) -> Workload:
    """The workload that `key` names.

    Raises:
        ValueError: `key` is no workload's key.
    """
    kind = FireWorkload if key.startswith("fire/") else Conv2dWorkload
    return kind.from_key(key)


def names() -> list[str]:
    """Of all that competes anywhere: schedules first, both sorted."""
    return [*registry.list_schedules(), *sorted(VERSIONS)]


def get(name: str) -> Competitor:
    """The schedule or way called `name`; a `KeyError` as `registry.get` raises it."""
    return fire_ways.get_way(name) if name in VERSIONS else registry.get(name)


def find(workload: Workload, core: Core) -> Sequence[Competitor]:
    """What competes for `workload` on `core`, the most promising first; may be nothing.

    Its default is what a build takes where nothing is recorded.
    """
    if isinstance(workload, FireWorkload):
        return fire_ways.find_ways(workload, core)
    return registry.find(workload, core)


def choice(workload: Workload, core: Core, threads: int | None = None) -> tuple[str, Config] | None:
    """What a build takes for `workload` on `core`, see `selection`; None where nothing serves."""
    if isinstance(workload, FireWorkload):
        if not find(workload, core):
            return None
        config = choose_fire(workload, core, threads)
        return (IN_PIECES, {}) if config is None else (ONE_FUNCTION, config)
    chosen = choose(workload, core, threads)
    return None if chosen is None else (chosen[0].name, chosen[1])


def build(
    workload: Workload, name: str, config: Config, core: Core, epilogue: Sequence[str]
) -> tvm.IRModule:
    """A module with the function `main(data, *constants, output)`; see `conv2d_module`.

    Raises:
        KeyError, ValueError: as `conv2d_module` and `fire_module` raise them.
    """
    if isinstance(workload, FireWorkload):
        return fire_module(workload, name, config, core, epilogue)
    return conv2d_module(workload, name, config, core, epilogue)[0]


def constants(
    workload: Workload,
    name: str,
    config: Config,
    core: Core,
    weights: Sequence[np.ndarray],
    biases: Sequence[np.ndarray],
) -> list[np.ndarray]:
    """What `main` of `build` takes between input and output.

    Args:
        weights: OIHW, of each convolution.
        biases: (1, CO, 1, 1), of each; empty where the epilogue has none.
    """
    if isinstance(workload, FireWorkload):
        return fire_constants(workload, name, config, core, weights, biases)
    return [registry.get(name).pack(weights[0], workload, config), *biases]


def error_growth(workload: Workload, name: str, config: Config, core: Core) -> float:
    """How much larger the rounding error may be than that of plain sums, see `Problem.allowed`."""
    if isinstance(workload, FireWorkload):
        return fire_ways.error_growth(workload, core)
    return registry.get(name).error_growth(config)
