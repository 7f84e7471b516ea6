"""Register-tiled inner kernels, one family an instruction set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction

from ..hardware import Core
from ..lowering.emit import LANES
from . import orders
from .a32 import A32InOrderKernel, A32Kernel
from .a64 import A64Kernel
from .base import MicroKernel
from .inline_asm import InlineAsmKernel
from .pipelined import PipelinedKernel
from .vector_ir import VectorKernel

# The first family that has a tile makes its kernel.
_FAMILIES: dict[tuple[str, str], tuple[type[MicroKernel], ...]] = {
    ("armv7", "in-order"): (A32InOrderKernel,),
    ("armv7", "out-of-order"): (A32Kernel,),
    ("aarch64", "in-order"): (A64Kernel,),
    ("aarch64", "out-of-order"): (VectorKernel, A64Kernel),
}
_stand_in: ContextVar[type[MicroKernel] | None] = ContextVar("stand-in for assembly", default=None)


@contextmanager
def assembly_replaced_by(family: type[MicroKernel]) -> Iterator[None]:
    """Inside the block `family` takes the place of kernels in assembly, tile by tile.

    That is for tests of loop nests on machines that do not run the core's instructions.
    """
    token = _stand_in.set(family)
    try:
        yield
    finally:
        _stand_in.reset(token)


def is_assembly_replaced() -> bool:
    """Whether this is inside a block of `assembly_replaced_by`."""
    return _stand_in.get() is not None


def tiles(core: Core) -> tuple[tuple[int, int], ...]:
    """The (MR, NR) register tiles worth having on `core`, smallest first."""
    found = {tile for family in _FAMILIES[core.isa, core.pipeline] for tile in family.tiles}
    return tuple(sorted(found, key=lambda tile: (tile[0] * tile[1], tile)))


def kernel(core: Core, mr: int, nr: int) -> MicroKernel:
    """The micro-kernel of an MR x NR tile on `core`.

    Raises:
        ValueError: there is no such tile; the message lists those there are.
    """
    for family in _FAMILIES[core.isa, core.pipeline]:
        if (mr, nr) in family.tiles:
            if issubclass(family, InlineAsmKernel):
                family = _stand_in.get() or family
            return family(core, mr, nr)
    raise ValueError(f"no {mr}x{nr} micro-kernel on {core.name}: there are {tiles(core)}")


def hides_l2(core: Core, mr: int, nr: int) -> bool:
    """Whether an MR x NR loop runs about as fast with pixels that come from L2, measured.

    On an in-order core one that asks for them ahead does; on an out-of-order core one of 32 bits,
    which takes twice the cycles of a Cortex-A72's.
    """
    if core.pipeline == "out-of-order":
        return core.isa == "armv7"
    return any(
        "pixels" in family.layouts[mr, nr].hints
        for family in _FAMILIES[core.isa, core.pipeline]
        if issubclass(family, PipelinedKernel) and (mr, nr) in family.tiles
    )


def tile_cost(core: Core, mr: int, nr: int) -> float:
    """What one 4-lane multiply-accumulate costs in this tile beside others: for hand-picked tiles.

    Without a stored order, cycles at peak and the loads in the loop. With one, the loop's cycles
    and one for each vector it loads, since not all come from L1; the weights' 1 / NR count a
    quarter more, because short rows of pixels take longer to pack.
    """
    stored = orders.load(orders.path(core.name, mr, nr))
    if stored is not None:
        return float(Fraction(stored["cycles"]) / stored["products"]) + 1.25 / nr + 1 / mr
    return 2 * LANES / core.peak_flops_per_cycle * (1 + 1 / nr + 1 / mr)
