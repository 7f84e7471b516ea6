"""What competes for a fire module in the tuner: one function, and the pieces it is made of."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from ..fire_workload import IN_PIECES, ONE_FUNCTION, VERSIONS, FireWorkload
from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..registry import Schedule, find
from ..workload import Conv2dWorkload
from . import fire
from .facts import CORES


class FireWay(ABC):
    """A way to compute a fire module, as `registry.Schedule` is one for a convolution."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = VERSIONS[name]

    @abstractmethod
    def space(self, workload: FireWorkload, core: Core) -> KnobSpace:
        """The configs to choose from."""

    @abstractmethod
    def default(self, workload: FireWorkload, core: Core) -> Config:
        """The hand-picked config: a member of `space`."""

    def starts(self, workload: FireWorkload, core: Core) -> list[Config]:
        """What a search begins with: the hand-picked config, then distinct ones unlike it."""
        return [self.default(workload, core)]

    @abstractmethod
    def features(self, workload: FireWorkload, core: Core, config: Config) -> dict[str, float]:
        """Facts of the loop nest that predict its speed, named as in `schedules.features.FACTS`."""

    def validate(self, workload: FireWorkload, core: Core, config: Config) -> None:
        """Does nothing when `config` computes `workload` on `core`.

        Raises:
            ValueError: no fire module that is served, or `config` is not in the space; the message
                names the knob, its value and the legal values.
        """
        where = f"{self.name} for {workload.describe()} on {core.name}"
        if not fire.supports(workload, core):
            raise ValueError(f"{where}: not supported")
        try:
            self.space(workload, core).validate(config)
        except ValueError as fault:
            raise ValueError(f"{where}: {fault}") from None


class OneFunction(FireWay):
    """`conv2d_squeezenet_fire`, see `fire.py`."""

    def space(self, workload: FireWorkload, core: Core) -> KnobSpace:
        return fire.space(workload, core)

    def default(self, workload: FireWorkload, core: Core) -> Config:
        return fire.default(workload, core)

    def features(self, workload: FireWorkload, core: Core, config: Config) -> dict[str, float]:
        """Of squeeze and expanding 1x1; all configs have the 3x3 in common."""
        squeeze, expand = workload.squeeze, workload.expand1x1
        nr, mr, mr_expand = (int(config[knob]) for knob in ("nr", "mr_squeeze", "mr_expand"))
        tiles = -(-squeeze.pixels // nr)
        blocks = -(-tiles // int(config["block"]))
        block = -(-tiles // blocks)
        covered = work = loads = 0.0
        for part, rows in ((squeeze, mr), (expand, mr_expand)):
            share = -(-part.co // rows) * rows * tiles * nr * part.k
            covered += share
            loads += share * (rows + nr) / (rows * nr)
            work += part.co * part.pixels * part.k
        panels = 4 * block * nr * (squeeze.ci + squeeze.co)
        weights = 4 * squeeze.k * mr
        turns = blocks * workload.n
        return {
            "log2_mr": math.log2(mr),
            "log2_mr_expand": math.log2(mr_expand),
            "log2_nr": math.log2(nr),
            "log2_block": math.log2(block),
            "waste": covered / work,
            "loads_per_fma": loads / covered,
            "log2_panel_bytes": math.log2(4 * squeeze.k * nr),
            "log2_panels_bytes": math.log2(panels),
            "log2_weight_tile_bytes": math.log2(weights),
            "panels_in_l1": float(panels + weights <= core.l1d_bytes),
            "imbalance": -(-turns // CORES) * CORES / turns,
            "weight_passes": float(blocks),
        }


class InPieces(FireWay):
    """The squeeze, and both expanding convolutions, which write their part of the concatenation.

    What the tuner measures has the hand-picked config of each; a build then takes whatever was
    chosen for each of the three.
    """

    def space(self, workload: FireWorkload, core: Core) -> KnobSpace:
        return KnobSpace({})

    def default(self, workload: FireWorkload, core: Core) -> Config:
        return {}

    def features(self, workload: FireWorkload, core: Core, config: Config) -> dict[str, float]:
        return {}


_WAYS: dict[str, FireWay] = {
    way.name: way for way in (OneFunction(ONE_FUNCTION), InPieces(IN_PIECES))
}


def get_way(name: str) -> FireWay:
    """The way called `name`, of `fire_workload.VERSIONS`."""
    return _WAYS[name]


def find_ways(workload: FireWorkload, core: Core) -> list[FireWay]:
    """The ways that compete for `workload` on `core`, what a build takes untuned first."""
    if not fire.supports(workload, core):
        return []
    names = [ONE_FUNCTION, IN_PIECES]
    return [_WAYS[name] for name in (names if fire.pays(workload, core) else reversed(names))]


def hand_picked(workload: Conv2dWorkload, core: Core) -> tuple[Schedule, Config]:
    """What a build takes for a convolution where nothing is recorded."""
    best = find(workload, core)[0]
    return best, best.default(workload, core)


def hand_picked_parts(workload: FireWorkload, core: Core) -> list[tuple[Schedule, Config]]:
    """The hand-picked schedule and config of squeeze, expanding 1x1 and expanding 3x3."""
    return [hand_picked(part, core) for part in workload.parts]


def error_growth(workload: FireWorkload, core: Core) -> float:
    """How much larger the 3x3's rounding error may be than that of a plain sum of products."""
    schedule, config = hand_picked(workload.expand3x3, core)
    return schedule.error_growth(config)
