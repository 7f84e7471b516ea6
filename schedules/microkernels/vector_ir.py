"""AArch64: plain vector code; LLVM turns the lane broadcasts into `fmla v.4s, v.4s, v.s[lane]`.

An out-of-order core runs LLVM's loop as fast as any.  Only with small tiles is it not kept busy:
LLVM orders their chains of sums badly and reloads pointers from the stack. Nor does it wait for the
rows it stores to: of what callers ask to fetch ahead only what is read is worth an instruction.
Weights are fetched ahead across the ends of pages, where a hardware prefetcher stops.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from tvm import tirx

from ..lowering.emit import LANES, ramp, splat
from .base import NEAR_BYTES, Ahead, Following, MicroKernel

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
        hints = [] if ahead is None or ahead.lines is not None else [ahead]
        if following is not None:
            next_weights = weights[1] + following.distance
            hints.append(Ahead(weights[0], next_weights, self.mr, condition=following.condition))
        # A loop for each: to choose anew at every turn would cost more than most hints save.
        others: list = []
        for hint in hints:
            with e.when(tirx.all(*others, hint.condition)):
                self._products(e, accumulators, weights, pixels, row_stride, k, hint)
            others.append(tirx.Not(hint.condition))
        with e.when(tirx.all(*others)) if others else nullcontext():
            self._products(e, accumulators, weights, pixels, row_stride, k, None)

    def turns(self, k: int) -> int:
        return k

    def _products(
        self, e, accumulators, weights, pixels, row_stride, k, hint: Ahead | None
    ) -> None:
        """The loop over K; what `hint` names is fetched meanwhile."""
        hinted = None if hint is None else e.view_from(hint.buffer, hint.index)
        with e.loop(k, "k") as step:
            row = [
                self.vector(pixels[0], pixels[1] + step * row_stride + j)
                for j in range(0, self.nr, LANES)
            ]
            for i in range(self.mr):
                if i == self.mr // 2:  # the loads of this turn come first, those of the next last
                    e.prefetch(weights[0], weights[1] + step * self.mr + NEAR_BYTES // 4)
                    if hint is not None:
                        e.prefetch(hinted, step * hint.stride)
                quad = self.vector(weights[0], weights[1] + step * self.mr + i // LANES * LANES)
                lane = splat(tirx.Shuffle([quad], [i % LANES]))
                for j in range(0, self.nr, LANES):
                    at = ramp(i * self.nr + j)
                    total = tirx.BufferLoad(accumulators, [at]) + lane * row[j // LANES]
                    e.store(accumulators, at, total)
