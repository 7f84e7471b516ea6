"""The loop nest that the convolution schedules share: a blocked matrix product over packed panels.

After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): weights
are packed at compile time into tiles of MR output channels; input pixels are packed on the fly
into panels of NR pixels (im2col, one tile at a time, never the whole matrix unless asked for); a
micro-kernel keeps an MR x NR tile of the output in registers over the whole K axis. Bias,
activation and other fused operators are applied to that tile before it is stored, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, ramp, splat
from ..microkernels.base import Ahead, Following, MicroKernel
from .ahead import following_if_last, input_of_next_block, rows_a_call
from .averaged import MapMeans
from .by_rows import RowPacker
from .facts import CORES
from .packing import is_small_map, pack_planes, pack_tile, pack_whole_planes
from .padding import emit_padded
from .pixels import PixelTiling
from .row_stage import RowStage

# Rows of output that are prefetched while a tile is computed, at most so many times MR: more would
# fill the cache before they are needed.
_ROWS_AHEAD = 4


@dataclass(frozen=True)
class Part:
    """What of K is added up in one pass over the outputs.

    Attributes:
        first: its first input channel, an expression.
        is_first, is_last: whether sums begin with it, or are complete with it.
    """

    first: Any
    is_first: bool
    is_last: bool


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
        parts: into how many equal parts K is cut, each a number of input channels. The panels of
            a part stay in a cache that those of all K overflow; partial sums go through memory.
        tail: the nest of one more, narrower tile of pixels, behind the last block.
        streamed: whether results go through a `RowStage` (over pixels only, flat tiles, K whole).
        means: takes all results, where only the means of maps are wanted (over channels only).
    """

    conv: Convolution
    kernel: MicroKernel
    tiling: PixelTiling
    block: int
    packed: bool = True
    parts: int = 1
    tail: Nest | None = None
    streamed: bool = False
    means: MapMeans | None = None

    @property
    def channel_tiles(self) -> int:
        return -(-self.conv.workload.co // self.kernel.mr)

    @property
    def part_channels(self) -> int:
        """Input channels of a part."""
        return self.conv.workload.ci // self.parts

    @property
    def part_k(self) -> int:
        return self.conv.workload.k // self.parts

    @property
    def panel_size(self) -> int:
        """Elements of one packed tile of pixels, of a part."""
        return self.part_k * self.tiling.nr

    @property
    def tile_size(self) -> int:
        return self.kernel.mr * self.tiling.nr

    def emit_over_pixels(self) -> None:
        """Cores share the pixels: each packs its own panels and reads all weights."""
        conv, e, tiles = self.conv, self.conv.e, self.tiling.count
        by_rows = self._by_rows(self.block * self.tiling.nr)
        data = conv.data if by_rows else emit_padded(conv)
        blocks = -(-tiles // self.block)
        with e.loop(conv.workload.n * blocks, "block", ForKind.PARALLEL) as index:
            image = e.bind("image", tirx.floordiv(index, blocks))
            first = e.bind("first", tirx.floormod(index, blocks) * self.block)
            turns = self.block
            if tiles % self.block:
                turns = e.bind("turns", tirx.min(self.block, tiles - first))
            end = self.block * self.panel_size  # of the whole tiles' panels
            panels = self._panels(end, data)
            sums, tail = self._sums(self.block), None
            if self.tail:
                tail = Tail(self.tail, first + self.block >= tiles, end, self.tail._sums(1))
            for part in self._parts():
                if by_rows:
                    by_rows.pack(image, first, turns, panels, part, tail)
                elif self.packed and conv.workload.is_pointwise:
                    # What is packed for nothing is little, and the code of a constant number fast.
                    constant = 8 * (blocks * self.block - tiles) <= tiles
                    packed = self.block if constant else turns
                    pack_planes(self, data, image, first, packed, panels, part)
                elif self.packed:
                    with e.loop(turns, "tile") as tile:
                        pack_tile(
                            self, data, image, first + tile, panels, tile * self.panel_size, part
                        )
                if tail and self.packed and not by_rows:
                    with e.when(tail.condition):
                        pack_tile(tail.nest, data, image, 0, panels, end, part)
                self._compute_block(image, first, turns, panels, part, sums, data, tail)

    def _compute_block(
        self, image, first, turns, panels, part: Part, sums, data=None, tail: Tail | None = None
    ) -> None:
        """All channels of the tiles of a block, from their panels.

        Args:
            data: what the panels of the next block are packed from, if they are.
            tail: what the last block ends with, if anything.
        """
        e, stage = self.conv.e, None
        if self.streamed:
            stage = RowStage(self.conv, self.kernel, self.tiling, self.block, first)
        with e.loop(self.channel_tiles, "channel_tile") as channel_tile:
            with e.loop(turns, "tile") as tile:
                panel = (panels, tile * self.panel_size)
                sum_at = (sums, (channel_tile * self.block + tile) * self.tile_size)
                following, ahead = self._next(tile, turns), None
                if self.packed and data is not None:
                    ahead = input_of_next_block(self, data, image, channel_tile, tile, first)
                self._compute(
                    channel_tile, image, first + tile, panel, part, sum_at, following, stage, ahead
                )
            if tail:
                with e.when(tail.condition):
                    tail.compute(channel_tile, image, panels, part)
            if stage:
                for row, channel in self._rows(channel_tile):
                    stage.write(image, channel, row, turns)

    def emit_over_channels(self) -> None:
        """Cores share the channels: all pixels are packed first, weights are read once."""
        conv, e, tiles = self.conv, self.conv.e, self.tiling.count
        by_rows = None
        if self.part_channels >= CORES:  # which share them
            by_rows = self._by_rows(conv.workload.pixels)
        data = conv.data if by_rows else emit_padded(conv)
        end = tiles * self.panel_size  # of the whole tiles' panels
        panels = self._panels(end, data)
        sums = self._sums(tiles)
        tail = Tail(self.tail, True, end, self.tail._sums(1)) if self.tail else None
        with e.loop(conv.workload.n, "image") as image:
            for part in self._parts():
                if by_rows:
                    by_rows.pack(image, 0, tiles, panels, part, tail, ForKind.PARALLEL)
                elif self.packed and is_small_map(self):
                    pack_whole_planes(self, data, image, panels, part, tail)
                elif self.packed:
                    with e.loop(tiles, "tile", ForKind.PARALLEL) as tile:
                        pack_tile(self, data, image, tile, panels, tile * self.panel_size, part)
                    if tail:
                        pack_tile(tail.nest, data, image, 0, panels, end, part)
                with e.loop(self.channel_tiles, "channel_tile", ForKind.PARALLEL) as channel_tile:
                    if self.means and part.is_last:
                        self.means.begin()
                    with e.loop(tiles, "tile") as tile:
                        panel = (panels, tile * self.panel_size)
                        sum_at = (sums, (channel_tile * tiles + tile) * self.tile_size)
                        self._compute(
                            channel_tile, image, tile, panel, part, sum_at, self._next(tile, tiles)
                        )
                    if tail:
                        tail.compute(channel_tile, image, panels, part)
                    if self.means and part.is_last:
                        for row, channel in self._rows(channel_tile):
                            self.means.write(image, channel, row)

    def _next(self, tile, turns):
        """From the weights of a tile of pixels to those of the one after it, of `turns`."""
        return following_if_last(tile, turns, self.conv.workload.k * self.kernel.mr)

    def _by_rows(self, pixels: int) -> RowPacker | None:
        """What packs so many pixels at a time, where that is by way of rows."""
        pixels += self.tail.tiling.nr if self.tail else 0
        return RowPacker(self, pixels) if RowPacker.serves(self, pixels) else None

    def _panels(self, size: int, data):
        """Memory for `size` elements of panels and the tail's; `data`, if it is read in place."""
        if not self.packed:
            return data
        return self.conv.e.alloc("panels", size + (self.tail.panel_size if self.tail else 0))

    def _sums(self, tiles: int):
        """Memory for the partial sums of so many tiles of pixels, where there are any."""
        if self.parts == 1:
            return None
        return self.conv.e.alloc("sums", self.channel_tiles * tiles * self.tile_size)

    def _parts(self) -> Iterator[Part]:
        """Emits the loop over the parts of K; what is emitted for each goes into its place."""
        last = self.parts - 1
        if not last:
            yield Part(0, True, True)
            return
        yield Part(0, True, False)
        if last > 1:
            with self.conv.e.loop(last - 1, "part") as part:
                yield Part((part + 1) * self.part_channels, False, False)
        yield Part(last * self.part_channels, False, True)

    def weight_tile(self, image, channel_tile):
        """The tile of packed weights that one tile of output channels is computed with."""
        return channel_tile

    def _compute(
        self,
        channel_tile,
        image,
        tile,
        panel,
        part: Part,
        sum_at,
        following: Following | None,
        stage: RowStage | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        """One MR x NR tile: the sum over a part of K in registers; after the last one its epilogue.

        Args:
            panel: (buffer, index) of the packed pixels.
            sum_at: (buffer, index) of partial sums, if K has several parts.
            following: see `MicroKernel.emit`.
            stage: takes the sums, to apply the epilogue later.
            ahead: what to fetch meanwhile instead of rows of the output.
        """
        conv, e, workload = self.conv, self.conv.e, self.conv.workload
        mr, nr = self.kernel.mr, self.kernel.nr
        origin = self.tiling.origin(e, tile)
        accumulators = e.registers("accumulators", mr * nr)
        pixels, row_stride = panel, nr
        if not self.packed:
            plane = image * workload.ci + part.first
            pixels = (panel[0], plane * workload.pixels + origin[0])
            row_stride = workload.pixels
        begun = True
        if part.is_first:
            begun = self._begin(image, channel_tile, accumulators)
        else:
            self._copy((accumulators, 0), sum_at)
        if part.is_last and not stage and not self.means:
            a_call = self.kernel.mr if ahead is None else rows_a_call(self)
            rows = self._ahead(image, channel_tile, tile, origin, channel_tile * a_call)
            ahead = rows if ahead is None else ahead._replace(otherwise=rows)
        weights = self.weight_tile(image, channel_tile) * workload.k
        weights += part.first * (workload.kh * workload.kw)
        self.kernel.emit(
            conv,
            accumulators,
            weights=(conv.weight, weights * mr),
            pixels=pixels,
            row_stride=row_stride,
            k=self.part_k,
            ahead=ahead,
            following=following,
            clear=not begun,
        )
        if not part.is_last:
            self._copy(sum_at, (accumulators, 0))
            return
        if stage:
            stage.put(origin, accumulators)
            return
        if self.means:
            self.means.put(self.kernel, image, channel_tile, origin, accumulators)
            return
        self._store(image, channel_tile, origin, accumulators)

    def _begin(self, image, channel_tile, accumulators) -> bool:
        """Puts each row's bias into the sums, if there is one; returns whether.

        That takes as many instructions as zeros, and none to add it.
        """
        e, (mr, nr), co = self.conv.e, (self.kernel.mr, self.kernel.nr), self.conv.workload.co
        for row in range(mr):
            channel = channel_tile * mr + row
            bias = self.conv.take_bias(image, tirx.min(channel, co - 1) if co % mr else channel)
            if bias is None:
                return False
            if nr < LANES:
                e.store(accumulators, row, bias)
                continue
            for i in range(row * nr, (row + 1) * nr, LANES):
                e.store(accumulators, ramp(i), splat(bias))
        return True

    def _store(self, image, channel_tile, origin, accumulators) -> None:
        """The results of a tile, through the epilogue."""
        for row, channel in self._rows(channel_tile):
            for run in self.tiling.output_runs(origin):
                start = row * self.kernel.nr + run.start
                self.conv.store_row(image, channel, run.offset, accumulators, start, run.length)

    def _rows(self, channel_tile) -> Iterator[tuple[int, Any]]:
        """(row, output channel) of a tile; what is emitted for each is left out behind the last."""
        mr, co = self.kernel.mr, self.conv.workload.co
        for row in range(mr):
            channel = channel_tile * mr + row
            if co % mr:
                with self.conv.e.when(channel < co):
                    yield row, channel
            else:
                yield row, channel

    def _copy(self, target: tuple[Any, Any], source: tuple[Any, Any]) -> None:
        """All sums of a tile."""
        for i in range(0, self.tile_size, LANES):
            value = BufferLoad(source[0], [ramp(source[1] + i)])
            self.conv.e.store(target[0], ramp(target[1] + i), value)

    def _ahead(self, image, channel_tile, tile, origin, first_row) -> Ahead:
        """The last pixel of each of a tile's rows; the tile before brought what is left of it.

        Further rows are needed by the next tiles of channels.
        """
        run, mr = self.tiling.output_runs(origin)[-1], self.kernel.mr
        last = run.offset + run.length - 1
        index = self.conv.output_index(image, first_row, last)
        return Ahead(self.conv.output, index, self.conv.workload.pixels, _ROWS_AHEAD * mr)


@dataclass(frozen=True)
class Tail:
    """The narrower tile of pixels behind the last block, while the nest before it is written.

    Attributes:
        nest: its own.
        condition: whether the block is the last one.
        panel: where its panel begins, behind those of the whole tiles.
        sums: memory for its partial sums, if K has several parts.
    """

    nest: Nest
    condition: Any
    panel: int
    sums: Any

    def compute(self, channel_tile, image, panels, part: Part) -> None:
        sum_at = (self.sums, channel_tile * self.nest.tile_size)
        self.nest._compute(channel_tile, image, 0, (panels, self.panel), part, sum_at, None)
