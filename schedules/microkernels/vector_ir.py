"""AArch64: plain vector code; LLVM turns the lane broadcasts into `fmla v.4s, v.4s, v.s[lane]`.

An out-of-order core runs LLVM's loop as fast as any.  Only with small tiles is it not kept busy:
LLVM orders their chains of sums badly and reloads pointers from the stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx

from ..lowering.emit import LANES, ramp, splat
from .base import Ahead, Following, MicroKernel

if TYPE_CHECKING:
    from ..lowering.convolution import Convolution


class VectorKernel(MicroKernel):
    """32 vector registers: MR * NR / 4 accumulators, NR / 4 of pixels, MR / 4 of weights."""

    tiles = ((4, 8), (4, 12), (8, 8), (4, 16), (8, 12), (12, 8))

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
        e = conv.e
        if clear:
            self.clear(conv, accumulators)
        operands = (accumulators, weights, pixels, row_stride, k)
        if following is None:
            self._products(e, *operands, None)
            return
        with e.when(following.condition):
            self._products(e, *operands, following.distance)
        with e.when(tirx.Not(following.condition)):
            self._products(e, *operands, None)

    def _products(self, e, accumulators, weights, pixels, row_stride, k, distance) -> None:
        """The loop over K. What lies `distance` elements behind the weights is prefetched."""
        with e.loop(k, "k") as step:
            if distance is not None:
                e.prefetch(weights[0], weights[1] + step * self.mr + distance)
            row = [
                self.vector(pixels[0], pixels[1] + step * row_stride + j)
                for j in range(0, self.nr, LANES)
            ]
            for i in range(self.mr):
                quad = self.vector(weights[0], weights[1] + step * self.mr + i // LANES * LANES)
                lane = splat(tirx.Shuffle([quad], [i % LANES]))
                for j in range(0, self.nr, LANES):
                    at = ramp(i * self.nr + j)
                    total = tirx.BufferLoad(accumulators, [at]) + lane * row[j // LANES]
                    e.store(accumulators, at, total)
