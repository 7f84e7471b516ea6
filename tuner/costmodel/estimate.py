"""Facts of compiled code as the cost model takes them, and the least time they leave a candidate.

`static` is what `tuner.measure.static_facts.read` returns: the innermost loops of a candidate, with
the cycles of an iteration while all data is in L1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from schedules import Conv2dWorkload, FireWorkload, hardware
from schedules.conv2d.facts import CORES
from schedules.conv2d.transforms import Tile
from schedules.hardware import Core

_LANES = 4
_FLOAT_BYTES = 4
_FEWEST_PRODUCTS = 4  # times fewer than of the plain convolution, by F(4, 3)
_Loop = Mapping[str, Any]
_COUNTED = ("depth", "instructions", "cycles", "fmas", "loads", "stored", "spills")

FEATURES = (
    "log2_cycles_per_fma",
    "instructions_per_fma",
    "loads_per_fma",
    "spills_per_fma",
    "log2_fmas",
    "moving_cycles_per_byte",
    "moving_spills",
)
"""Of the loop that is densest in multiply-adds (vectors of four lanes), and of those that move and
transform data for it."""


def is_readable(static: Mapping[str, Any] | None) -> bool:
    """Whether `static` holds what is computed with here: logs may be of other versions."""
    loops = static.get("loops") if static else None
    return isinstance(loops, Sequence) and all(
        isinstance(loop, Mapping)
        and all(isinstance(loop.get(name), int | float) for name in _COUNTED)
        and loop["instructions"] > 0
        for loop in loops
    )


def features(static: Mapping[str, Any] | None) -> list[float]:
    """Return the numbers called `FEATURES`; not-a-number, XGBoost's missing, where not known."""
    hot, moving = _split(static)
    if hot is None:
        return [math.nan] * len(FEATURES)
    fmas = hot["fmas"]
    return [
        math.log2(max(hot["cycles"], 1) / fmas),
        hot["instructions"] / fmas,
        hot["loads"] / fmas,
        hot["spills"] / fmas,
        math.log2(fmas),
        min(map(_cycles_per_byte, moving), default=0.0),
        float(sum(loop["spills"] for loop in moving)),
    ]


def least_s(
    workload: Conv2dWorkload,
    core: Core,
    facts: Mapping[str, float],
    static: Mapping[str, Any] | None,
) -> float:
    """Seconds that a candidate takes at least, on all cores of the usual board of `core`.

    The inner loops run as often as the loop nest says, its idle rows and columns included, and find
    everything in L1; packing or transforming the input is counted where the code shows what it
    costs. Missed are caches, memory and what lies between the loops.

    Args:
        facts: of the loop nest, see `schedules.features.FACTS`.
        static: None: multiply-adds at the core's peak.
    """
    hot, moving = _split(static)
    vectors = workload.macs / _LANES * facts.get("waste", 1.0)
    tile = _winograd_tile(facts)
    if tile:  # its places make rows x columns results of nine products each
        vectors *= tile.places / (workload.kh * workload.kw * tile.rows * tile.columns)
    peak = 2 * _LANES / core.peak_flops_per_cycle
    cycles = vectors * (hot["cycles"] / hot["fmas"] if hot else peak)
    # Each run of the inner loop ends with a branch that nobody foresees.
    sums = 2 ** (facts.get("log2_mr", 0.0) + facts.get("log2_nr", 0.0)) / _LANES
    depth = workload.ci if tile else workload.k
    cycles += vectors / (sums * depth) * core.figures["mispredict_cycles"].value
    if moving and workload.groups == 1:
        cycles += _moving_cycles(workload, facts, tile, moving)
    clock_hz = hardware.board(core.usual_board).clock_hz
    return cycles * facts.get("imbalance", 1.0) / CORES / clock_hz


def least_fire_s(workload: FireWorkload, core: Core, facts: Mapping[str, float]) -> float:
    """Seconds that a fire module takes at least, on all cores of the usual board of `core`.

    Its multiply-adds at the core's peak, with as few products as Winograd's F(4, 3) needs for a
    3x3. Its code has the loops of three convolutions, and no loop tells whose it is.

    Args:
        facts: of the loop nest, see `schedules.features.FACTS`.
    """
    *pointwise, three = workload.parts
    macs = sum(part.macs for part in pointwise) * facts.get("waste", 1.0)
    macs += three.macs / (_FEWEST_PRODUCTS if (three.kh, three.kw) == (3, 3) else 1)
    cycles = 2 * macs / core.peak_flops_per_cycle
    return cycles / CORES / hardware.board(core.usual_board).clock_hz


def _winograd_tile(facts: Mapping[str, float]) -> Tile | None:
    columns = int(facts.get("winograd_m", 0))
    return Tile(int(facts["rows_a_tile"]), columns) if columns else None


def _split(static: Mapping[str, Any] | None) -> tuple[_Loop | None, list[_Loop]]:
    """The loop with the largest share of multiply-adds, and the others that store."""
    loops = static["loops"] if static else []
    hot = max(loops, key=lambda loop: loop["fmas"] / loop["instructions"], default=None)
    if hot is None or not hot["fmas"]:
        return None, []
    # Less than a vector an iteration moves no data but addresses and flags.
    moving = [each for each in loops if each is not hot and each["stored"] > 2 * _LANES]
    return hot, [each for each in moving if each["stored"] >= each["fmas"]]


def _moving_cycles(
    workload: Conv2dWorkload,
    facts: Mapping[str, float],
    tile: Tile | None,
    moving: Sequence[_Loop],
) -> float:
    mr = round(2 ** facts.get("log2_mr", 0.0))
    idle_rows = -(-workload.co // mr) * mr / workload.co
    pixels = workload.n * workload.pixels * facts.get("waste", 1.0) / idle_rows
    if tile:
        # An iteration transforms four tiles of a channel, or a tile of four; inputs lie outermost.
        slowest = sorted(moving, key=lambda loop: -loop["cycles"])[:2]
        slowest.sort(key=lambda loop: loop["depth"])
        tiles = pixels / (tile.rows * tile.columns) / _LANES
        return tiles * (
            workload.ci * slowest[0]["cycles"] + workload.co * slowest[-1]["cycles"]
            if len(slowest) > 1
            else workload.ci * slowest[0]["cycles"]
        )
    if facts.get("in_place", 1.0):
        return 0.0
    return _FLOAT_BYTES * workload.k * pixels * min(map(_cycles_per_byte, moving))


def _cycles_per_byte(loop: _Loop) -> float:
    return float(loop["cycles"] / loop["stored"])
