"""A micro-kernel for any tile on any machine, to test the loop nests around those in assembly."""

from __future__ import annotations

from tvm.tirx import BufferLoad

from ..lowering.emit import LANES, ramp, splat
from ..microkernels.base import Ahead, MicroKernel


class PortableKernel(MicroKernel):
    """Every weight is loaded and spread over a vector by itself; never fast."""

    tiles = ()

    def turns(self, k: int) -> int:
        return k

    def emit(
        self,
        conv,
        accumulators,
        *,
        weights,
        pixels,
        row_stride,
        k,
        ahead: Ahead | None = None,
        following=None,
        clear=True,
    ) -> None:
        e = conv.e
        if clear:
            self.clear(conv, accumulators)
        with e.loop(k, "k") as step:
            for i in range(self.mr):
                weight = splat(BufferLoad(weights[0], [weights[1] + step * self.mr + i]))
                for j in range(0, self.nr, LANES):
                    at = ramp(i * self.nr + j)
                    row = self.vector(pixels[0], pixels[1] + step * row_stride + j)
                    e.store(accumulators, at, BufferLoad(accumulators, [at]) + weight * row)
