"""The loop nest that the convolution schedules share: a blocked matrix product over packed panels.

After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): weights
are packed at compile time into tiles of MR output channels; input pixels are packed on the fly
into panels of NR pixels (im2col, one tile at a time, never the whole matrix unless asked for); a
micro-kernel keeps an MR x NR tile of the output in registers over the whole K axis. Bias,
activation and other fused operators are applied to that tile before it is stored, once.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, ramp
from ..microkernels.base import MicroKernel
from .padding import emit_padded, padded_plane
from .pixels import PixelTiling

UNROLLED_TAPS = 9  # up to a 3x3 kernel the packing code is written out tap by tap


@dataclass(frozen=True)
class Nest:
    """One convolution's loop nest.

    Attributes:
        conv: the function that is written.
        kernel: the micro-kernel; its tile is MR x NR with NR = `tiling.nr`.
        tiling: how output pixels are cut into tiles.
        block: pixel tiles that are packed together and share one pass over the weights.
        packed: whether pixels are packed; if not, the kernel reads the input planes in place
            (pointwise convolutions only).
    """

    conv: Convolution
    kernel: MicroKernel
    tiling: PixelTiling
    block: int
    packed: bool = True

    @property
    def channel_tiles(self) -> int:
        return -(-self.conv.workload.co // self.kernel.mr)

    @property
    def panel_size(self) -> int:
        """Elements of one packed tile of pixels."""
        return self.conv.workload.k * self.tiling.nr

    def emit_over_pixels(self) -> None:
        """Cores share the pixels: each packs its own panels and reads all weights."""
        conv, e, tiles = self.conv, self.conv.e, self.tiling.count
        data = emit_padded(self.conv)
        blocks = -(-tiles // self.block)
        with e.loop(conv.workload.n * blocks, "block", ForKind.PARALLEL) as index:
            image = e.bind("image", tirx.floordiv(index, blocks))
            first = e.bind("first", tirx.floormod(index, blocks) * self.block)
            turns = self.block
            if tiles % self.block:
                turns = e.bind("turns", tirx.min(self.block, tiles - first))
            panels = e.alloc("panels", self.block * self.panel_size) if self.packed else data
            if self.packed and conv.workload.is_pointwise:
                self._pack_planes(data, image, first, turns, panels)
            elif self.packed:
                with e.loop(turns, "tile") as tile:
                    self._pack(data, image, first + tile, panels, tile * self.panel_size)
            with e.loop(self.channel_tiles, "channel_tile") as channel_tile:
                with e.loop(turns, "tile") as tile:
                    self._compute(channel_tile, image, first + tile, panels, tile)

    def emit_over_channels(self) -> None:
        """Cores share the channels: all pixels are packed first, weights are read once."""
        conv, e, tiles = self.conv, self.conv.e, self.tiling.count
        data = emit_padded(self.conv)
        panels = e.alloc("panels", tiles * self.panel_size) if self.packed else data
        with e.loop(conv.workload.n, "image") as image:
            if self.packed:
                with e.loop(tiles, "tile", ForKind.PARALLEL) as tile:
                    self._pack(data, image, tile, panels, tile * self.panel_size)
            with e.loop(self.channel_tiles, "channel_tile", ForKind.PARALLEL) as channel_tile:
                with e.loop(tiles, "tile") as tile:
                    self._compute(channel_tile, image, tile, panels, tile)

    def _pack(self, data, image, tile, panels, base) -> None:
        """Copies the input pixels under one tile into `panels` from `base`, as K rows of NR."""
        e, workload = self.conv.e, self.conv.workload
        height, width = padded_plane(workload)
        runs = self.tiling.input_runs(e, self.tiling.origin(e, tile))
        unrolled = workload.kh * workload.kw <= UNROLLED_TAPS
        kind = ForKind.UNROLLED if unrolled else ForKind.SERIAL
        with e.loop(workload.ci, "ci") as ci:
            plane = e.bind("plane", (image * workload.ci + ci) * (height * width))
            with e.loop(workload.kh, "kh", kind) as kh, e.loop(workload.kw, "kw", kind) as kw:
                row = base + ((ci * workload.kh + kh) * workload.kw + kw) * self.tiling.nr
                tap = plane + kh * (workload.dilation[0] * width) + kw * workload.dilation[1]
                for run in runs:
                    self._copy_run(data, tap, run, panels, row)

    def _pack_planes(self, data, image, first, turns, panels) -> None:
        """The same for the tiles of a block of a pointwise convolution, plane after plane.

        Each plane is a page of its own for the TLB, and neighbouring tiles share cache lines.
        """
        e, workload = self.conv.e, self.conv.workload
        with e.loop(workload.ci, "ci") as ci:
            plane = e.bind("plane", (image * workload.ci + ci) * workload.pixels)
            with e.loop(turns, "tile") as tile:
                row = tile * self.panel_size + ci * self.tiling.nr
                for run in self.tiling.input_runs(e, self.tiling.origin(e, first + tile)):
                    self._copy_run(data, plane, run, panels, row)

    def _copy_run(self, data, tap, run, panels, row) -> None:
        """Pixels side by side, in vectors where their number allows."""
        step = LANES if run.length % LANES == 0 else 1
        for i in range(0, run.length, step):
            dst, src = row + run.start + i, tap + run.offset + i
            if step == LANES:
                dst, src = ramp(dst), ramp(src)
            self.conv.e.store(panels, dst, BufferLoad(data, [src]))

    def weight_tile(self, image, channel_tile):
        """The tile of packed weights that one tile of output channels is computed with."""
        return channel_tile

    def _compute(self, channel_tile, image, tile, panels, slot) -> None:
        """One MR x NR tile: the sum over K in registers, the epilogue, the stores."""
        conv, e, workload = self.conv, self.conv.e, self.conv.workload
        mr, nr = self.kernel.mr, self.kernel.nr
        origin = self.tiling.origin(e, tile)
        accumulators = e.registers("accumulators", mr * nr)
        if self.packed:
            pixels, row_stride = slot * self.panel_size, nr
        else:
            pixels = image * (workload.ci * workload.pixels) + origin[0]
            row_stride = workload.pixels
        self.kernel.emit(
            conv,
            accumulators,
            weights=(conv.weight, self.weight_tile(image, channel_tile) * (workload.k * mr)),
            pixels=(panels, pixels),
            row_stride=row_stride,
            k=workload.k,
        )
        for i in range(mr):
            channel = channel_tile * mr + i
            if workload.co % mr:
                with e.when(channel < workload.co):
                    self._store_row(image, channel, origin, accumulators, i)
            else:
                self._store_row(image, channel, origin, accumulators, i)

    def _store_row(self, image, channel, origin, accumulators, row: int) -> None:
        for run in self.tiling.output_runs(origin):
            start = row * self.kernel.nr + run.start
            self.conv.store_row(image, channel, run.offset, accumulators, start, run.length)
