"""Register-tiled inner kernels, one family an instruction set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..hardware import Core
from .a64_inorder import A64InOrderKernel
from .armv7 import Armv7Kernel
from .base import MicroKernel
from .inline_asm import InlineAsmKernel
from .vector_ir import VectorKernel

_FAMILIES: dict[tuple[str, str], type[MicroKernel]] = {
    ("armv7", "in-order"): Armv7Kernel,
    ("armv7", "out-of-order"): Armv7Kernel,
    ("aarch64", "in-order"): A64InOrderKernel,
    ("aarch64", "out-of-order"): VectorKernel,
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
    if issubclass(family, InlineAsmKernel):
        family = _stand_in.get() or family
    return family(core, mr, nr)
