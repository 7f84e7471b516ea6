"""Results gathered in L1, then written row by row: whole cache lines, one after the other.

A register tile ends in a few pixels of each of MR planes: the core reads each line from memory
before it overwrites a part of it, and a large output crosses the bus once more than it has to.
Cores leave that read out where consecutive lines are overwritten whole (for the Cortex-A53 see
"read allocate mode" in its Technical Reference Manual); runs of a kilobyte are long enough.
"""

from __future__ import annotations

from tvm import tirx
from tvm.tirx import BufferLoad

from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, LINE, ramp
from ..microkernels.base import MicroKernel
from .pixels import PixelTiling


class RowStage:
    """Holds the results of one tile of channels for a block of pixel tiles.

    Args:
        tiling: flat tiles, so that those of a block are one run of pixels.
        block: how many there are at most.
        first: the number of its first tile, an expression.
    """

    def __init__(
        self, conv: Convolution, kernel: MicroKernel, tiling: PixelTiling, block: int, first
    ) -> None:
        self._conv, self._kernel, self._first = conv, kernel, first
        # A line more than a row needs, as rows a power of two apart would share cache sets.
        self._pitch = block * kernel.nr + LINE
        self._buffer = conv.e.alloc("rows", kernel.mr * self._pitch)
        self._origin = tiling.origin(conv.e, first)[0]

    def put(self, origin: tuple, accumulators) -> None:
        """Takes the MR x NR results of the tile at `origin`."""
        e, nr = self._conv.e, self._kernel.nr
        at = e.bind("at", origin[0] - self._origin)
        for row in range(self._kernel.mr):
            for i in range(0, nr, LANES):
                value = BufferLoad(accumulators, [ramp(row * nr + i)])
                e.store(self._buffer, ramp(row * self._pitch + at + i), value)

    def write(self, image, channel, row: int, turns) -> None:
        """Writes one row of `turns` tiles to the output, through the epilogue."""
        conv, e, nr = self._conv, self._conv.e, self._kernel.nr
        pixels = conv.workload.pixels
        length = tirx.min((self._first + turns) * nr, pixels) - self._origin

        def vector(at) -> None:
            place = row * self._pitch + at
            conv.store_row(image, channel, self._origin + at, self._buffer, place, LANES)

        with e.loop(tirx.floordiv(length, LANES), "v") as v:
            vector(v * LANES)
        if pixels % LANES:
            vector(length - LANES)
