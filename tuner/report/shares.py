"""Where the time of the whole network goes, by kind of operator."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.runs import Kernel

CONVOLUTION, POOLING, OTHER, BETWEEN = "convolutions", "pooling", "other operators", "between them"


def kind(kernel: Kernel) -> str:
    """Return what a compiled function is, by its name."""
    if "conv2d" in kernel.name:
        return CONVOLUTION
    return POOLING if "pool" in kernel.name else OTHER


def time_by_kind(kernels: Sequence[Kernel], whole_s: float) -> dict[str, float]:
    """Return seconds of one inference by kind, and what `whole_s` leaves between the kernels.

    That is the calls themselves, and inputs that other kernels drove out of cache; it is negative
    where a kernel found more in cache than when it was timed by itself.
    """
    parts = dict.fromkeys((CONVOLUTION, POOLING, OTHER), 0.0)
    for kernel in kernels:
        parts[kind(kernel)] += kernel.cost_s * kernel.count
    return {**parts, BETWEEN: whole_s - sum(parts.values())}
