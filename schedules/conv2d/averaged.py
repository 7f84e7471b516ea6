"""A matrix product whose maps are only averaged: its results are never written.

The last convolution of SqueezeNet and MobileNet writes a map of each class or channel, only for the
global pooling behind it to read all of them. Where the cores share channels a core computes whole
maps, a tile of channels at a time: they stay in its L1 cache until their means are taken.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.tirx import BufferLoad

from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, LINE, ramp
from ..lowering.plane_mean import mean
from ..microkernels.base import MicroKernel


class MapMeans:
    """Holds the maps of one tile of channels, the epilogue applied."""

    def __init__(self, conv: Convolution, mr: int) -> None:
        self._conv, self._mr = conv, mr
        # A line more than a row needs, as rows a power of two apart would share cache sets.
        self._pitch = -(-conv.workload.pixels // LINE) * LINE + LINE
        self._buffer: Any = None

    def begin(self) -> None:
        """Emits the memory for a tile of channels: each core has its own."""
        self._buffer = self._conv.e.alloc("maps", self._mr * self._pitch)

    def put(self, kernel: MicroKernel, image, channel_tile, origin: tuple, accumulators) -> None:
        """Takes the MR x NR sums of the tile of pixels at `origin`."""
        conv, nr, workload = self._conv, kernel.nr, self._conv.workload
        for row in range(self._mr):
            channel = channel_tile * self._mr + row
            if workload.co % self._mr:  # rows behind the last channel are not written
                channel = tirx.min(channel, workload.co - 1)
            length = min(nr, workload.pixels)
            conv.apply_epilogue(image, channel, origin[0], accumulators, row * nr, length)
            at = row * self._pitch + origin[0]
            if nr == 1:
                conv.e.store(self._buffer, at, BufferLoad(accumulators, [row]))
            for i in range(0, nr // LANES * LANES, LANES):
                value = BufferLoad(accumulators, [ramp(row * nr + i)])
                conv.e.store(self._buffer, ramp(at + i), value)

    def write(self, image, channel, row: int) -> None:
        """Writes the mean of one map."""
        e, pixels = self._conv.e, self._conv.workload.pixels
        at = image * self._conv.workload.co + channel
        e.store(self._conv.output, at, mean(e, self._buffer, row * self._pitch, pixels))
