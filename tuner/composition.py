"""What a network's layers take together: a fire module's count once, as one function or as three.

The tasks of a network are its convolutions, and beside them its fire modules, which are made of
three of these. Which of the two a build uses is what the module's config says.
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

    @property
    def is_one_function(self) -> bool:
        """Whether they are fire modules that are one function each."""
        return isinstance(self.workload, FireWorkload) and self.schedule == ONE_FUNCTION


def counts(layers: Sequence[Layers]) -> list[int]:
    """Return how many of each the network computes by themselves.

    A fire module counts where it is one function, and then takes its three convolutions away; else
    they count.
    """
    return _counts(layers, inside=3)


def weights(layers: Sequence[Layers]) -> list[int]:
    """Return for how many layers of the network the config of each matters.

    What a fire module does not use counts for nothing. That is its squeeze and 1x1 where it is one
    function; the 3x3 has its config there too. Else its own config is settled but by its trials.
    """
    return [
        each.count if isinstance(each.workload, FireWorkload) else count
        for each, count in zip(layers, _counts(layers, inside=2), strict=True)
    ]


def total_s(layers: Sequence[Layers]) -> float:
    """Return the seconds of all layers, one by one."""
    return sum(each.cost_s * n for each, n in zip(layers, counts(layers), strict=True))


def _counts(layers: Sequence[Layers], inside: int) -> list[int]:
    """Of the parts of a module that is one function, the first `inside` do not count."""
    taken: Counter[Workload] = Counter()
    for each in layers:
        if isinstance(each.workload, FireWorkload) and each.is_one_function:
            for part in each.workload.parts[:inside]:
                taken[part] += each.count
    return [
        each.count * each.is_one_function
        if isinstance(each.workload, FireWorkload)
        else max(0, each.count - taken[each.workload])
        for each in layers
    ]
