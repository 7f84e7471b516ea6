"""One pixel at a time: what is left of a map behind its last whole tile.

A lane is an output channel here, so no lane is idle. Sums of every fourth step of K grow by
themselves, as one chain of them would wait for each product.
"""

from __future__ import annotations

from functools import reduce
from operator import add as add_up
from typing import TYPE_CHECKING

from tvm import tirx
from tvm.tirx import BufferLoad

from ..lowering.emit import LANES, ramp, splat, zero
from .base import Ahead, Following, MicroKernel

if TYPE_CHECKING:
    from ..lowering.convolution import Convolution


class ColumnKernel(MicroKernel):
    """MR sums of one pixel, MR a multiple of four: plain vector code for every core, no hints."""

    tiles = ()

    def turns(self, k: int) -> int:
        return 0

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
        e, quads = conv.e, range(0, self.mr, LANES)
        sums = e.registers("sums", LANES * self.mr)
        for i in range(0, LANES * self.mr, LANES):
            e.store(sums, ramp(i), splat(zero()))

        def add(step, chain: int, pixel) -> None:
            for quad in quads:
                at = ramp(chain * self.mr + quad)
                row = self.vector(weights[0], weights[1] + step * self.mr + quad)
                e.store(sums, at, BufferLoad(sums, [at]) + splat(pixel) * row)

        with e.loop(k // LANES, "k") as turn:
            steps = [turn * LANES + chain for chain in range(LANES)]
            if row_stride == 1:
                four = e.bind_vector("four", self.vector(pixels[0], pixels[1] + turn * LANES))
                values = [tirx.Shuffle([four], [chain]) for chain in range(LANES)]
            else:
                values = [self._pixel(pixels, step * row_stride) for step in steps]
            for chain, (step, value) in enumerate(zip(steps, values, strict=True)):
                add(step, chain, value)
        for chain, step in enumerate(range(k // LANES * LANES, k)):
            add(step, chain, self._pixel(pixels, step * row_stride))
        for quad in quads:
            chains = [BufferLoad(sums, [ramp(n * self.mr + quad)]) for n in range(LANES)]
            before = [] if clear else [BufferLoad(accumulators, [ramp(quad)])]
            total = reduce(add_up, [*before, *chains])
            e.store(accumulators, ramp(quad), total)

    @staticmethod
    def _pixel(pixels, offset):
        return BufferLoad(pixels[0], [pixels[1] + offset])
