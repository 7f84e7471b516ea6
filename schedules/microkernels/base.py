"""What a micro-kernel is: MR x NR sums over K, held in registers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from tvm.tirx import BufferLoad

from ..hardware import Core
from ..lowering.emit import LANES, ramp, splat, zero

if TYPE_CHECKING:
    from ..lowering.convolution import Convolution

# How far ahead of their use operands are asked for; 512 is better for few layers, worse for more.
NEAR_BYTES = 256


class Ahead(NamedTuple):
    """What the caller touches next: a cache line a turn of the loop, as hints.

    Attributes:
        buffer: flat.
        index: of an element of the first line.
        stride: elements from one line to the next.
        lines: of what is stored: how many are worth it; a loop of more turns fetches only the
            first. None for what is read: any number.
        condition: whether there is anything to fetch.
        otherwise: what to fetch where there is nothing, if anything; rows that are stored, as a
            rule, of which plain vector code fetches none.
    """

    buffer: Any
    index: Any
    stride: int
    lines: int | None = None
    condition: Any = True
    otherwise: Ahead | None = None


class Following(NamedTuple):
    """Weights that a later call reads, to be fetched meanwhile.

    Attributes:
        condition: whether the next call does; else it reads the same ones again.
        distance: elements from these weights to those, an expression.
    """

    condition: Any
    distance: Any


class MicroKernel(ABC):
    """`accumulators[i, j] = sum over k of weights[k, i] * pixels[k, j]`, i < MR, j < NR.

    Attributes:
        core: whose registers and pipeline it is made for.
        tiles: the (MR, NR) that fit into the registers without spilling.
        mr: output channels; the weights are read by lane.
        nr: pixels; read as whole vectors.
    """

    tiles: ClassVar[tuple[tuple[int, int], ...]]

    def __init__(self, core: Core, mr: int, nr: int) -> None:
        self.core, self.mr, self.nr = core, mr, nr

    @abstractmethod
    def emit(
        self,
        conv: Convolution,
        accumulators,
        *,
        weights,
        pixels,
        row_stride,
        k,
        ahead: Ahead | None = None,
        following: Following | None = None,
        clear=True,
    ) -> None:
        """Emits the kernel.

        Args:
            conv: the function that is written.
            accumulators: local buffer of MR * NR elements, row after row.
            weights: (flat buffer, index of the tile's first element); K rows of MR, consecutive.
            pixels: (flat buffer, index of the first element); K rows of NR, `row_stride` apart.
            row_stride: elements from one row of pixels to the next.
            k: length of the sums.
            ahead: what to fetch meanwhile, beside the operands.
            following: weights to fetch meanwhile, a hint.
            clear: whether the sums begin at zero, not at what `accumulators` holds.
        """

    @abstractmethod
    def turns(self, k: int) -> int:
        """How many lines of `ahead` a call fetches: one a turn of the loop over K, or none."""

    def clear(self, conv: Convolution, accumulators) -> None:
        """Emits zeros into all accumulators."""
        for i in range(0, self.mr * self.nr, LANES):
            conv.e.store(accumulators, ramp(i), splat(zero()))

    @staticmethod
    def vector(buffer, index):
        """Four consecutive elements."""
        return BufferLoad(buffer, [ramp(index)])
