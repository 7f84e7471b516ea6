"""Register-tiled inner kernels, one family an instruction set."""

from __future__ import annotations

from ..hardware import Core
from .armv7 import Armv7Kernel
from .base import MicroKernel
from .vector_ir import VectorKernel

_FAMILIES: dict[str, type[MicroKernel]] = {"armv7": Armv7Kernel, "aarch64": VectorKernel}


def tiles(core: Core) -> tuple[tuple[int, int], ...]:
    """The (MR, NR) register tiles worth having on `core`, smallest first."""
    return _FAMILIES[core.isa].tiles


def kernel(core: Core, mr: int, nr: int) -> MicroKernel:
    """The micro-kernel of an MR x NR tile on `core`.

    Raises:
        ValueError: the tile does not fit into the core's registers.
    """
    family = _FAMILIES[core.isa]
    if (mr, nr) not in family.tiles:
        raise ValueError(f"no {mr}x{nr} micro-kernel on {core.name}: there are {family.tiles}")
    return family(mr, nr)
