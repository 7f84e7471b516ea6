"""What a network's layers take together, in which the convolutions of a fire module count once.

The tasks of a network are its convolutions, and beside them its fire modules, which are made of
three of these. A module's own trials tell what it takes, be it one function or in pieces: timed one
by one its convolutions would find more in cache than they do behind each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from schedules import FireWorkload
from schedules.competition import Workload
from schedules.fire_workload import ONE_FUNCTION


@dataclass(frozen=True)
class Layers:
    """Equal layers of a network.

    Attributes:
        workload: what they compute.
        count: how many they are.
        schedule: what computes them; None where that does not work or nobody knows.
        cost_s: seconds of one of them; 0 where it is not known.
    """

    workload: Workload
    count: int
    schedule: str | None
    cost_s: float = 0.0


def counts(layers: Sequence[Layers]) -> list[int]:
    """Return how many of each make up the network.

    A fire module takes its three convolutions away, unless nothing is known of it.
    """
    taken: Counter[Workload] = Counter()
    for each in layers:
        if isinstance(each.workload, FireWorkload) and each.schedule is not None:
            for part in each.workload.parts:
                taken[part] += each.count
    return [
        each.count * (each.schedule is not None)
        if isinstance(each.workload, FireWorkload)
        else max(0, each.count - taken[each.workload])
        for each in layers
    ]


def weights(layers: Sequence[Layers]) -> list[int]:
    """Return for how many layers of the network the config of each matters.

    A fire module that is one function has no use for those of its squeeze and its 1x1.
    """
    unused: Counter[Workload] = Counter()
    for each in layers:
        if isinstance(each.workload, FireWorkload) and each.schedule == ONE_FUNCTION:
            unused[each.workload.squeeze] += each.count
            unused[each.workload.expand1x1] += each.count
    return [max(0, each.count - unused[each.workload]) for each in layers]


def total_s(layers: Sequence[Layers]) -> float:
    """Return the seconds of all layers, one by one."""
    return sum(each.cost_s * n for each, n in zip(layers, counts(layers), strict=True))
