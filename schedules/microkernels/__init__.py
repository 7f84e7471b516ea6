"""Register-tiled inner kernels, one family an instruction set."""

from __future__ import annotations

from ..hardware import Core
from .a32_inorder import A32InOrderKernel
from .a64 import A64Kernel
from .armv7 import Armv7Kernel
from .base import MicroKernel

_FAMILIES: dict[tuple[str, str], type[MicroKernel]] = {
    ("armv7", "in-order"): A32InOrderKernel,
    ("armv7", "out-of-order"): Armv7Kernel,
    ("aarch64", "in-order"): A64Kernel,
    ("aarch64", "out-of-order"): A64Kernel,
}


def _family(core: Core) -> type[MicroKernel]:
    return _FAMILIES[core.isa, core.pipeline]


def tiles(core: Core) -> tuple[tuple[int, int], ...]:
    """The (MR, NR) register tiles worth having on `core`, smallest first."""
    return _family(core).tiles


def kernel(core: Core, mr: int, nr: int) -> MicroKernel:
    """The micro-kernel of an MR x NR tile on `core`.

    Raises:
        ValueError: there is no such tile; the message lists those there are.
    """
    family = _family(core)
    if (mr, nr) not in family.tiles:
        raise ValueError(f"no {mr}x{nr} micro-kernel on {core.name}: there are {family.tiles}")
    return family(core, mr, nr)
