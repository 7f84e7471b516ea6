"""A convolution and the max pooling behind it, as one loop nest: the map between stays in caches.

First layers write the largest tensor of their network, only for a pooling to read it and to keep a
quarter. Here each core computes a band of output rows at a time, of all channels, and pools it; the
rows that the next band's windows lie over as well are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from ..hardware import Core
from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, LINE, Emitter, ramp
from ..lowering.max_pool import MaxPool
from ..lowering.window_rows import WindowRows
from ..microkernels import kernel
from ..microkernels.base import Ahead
from ..workload import Conv2dWorkload
from .facts import LARGE_OUTPUT
from .loopnest import Nest, Part
from .packing import pack_tile
from .padding import emit_padded, padded_plane
from .pixels import FlatTiling

_MOST_ROWS = 3  # output rows of the pooling in a band
_MOST_BYTES = 384 << 10  # of the rows under a band, where it has more than one
_MOST_WEIGHT_BYTES = 128 << 10  # they are read again for each block of tiles
_ALL_OF_K = Part(0, True, True)


def supports(workload: Conv2dWorkload, pool: MaxPool, nr: int) -> bool:
    """Whether `emit` serves a convolution with tiles of `nr` pixels."""
    is_plain = workload.groups == 1 and workload.dtype == "float32"
    leaves_no_rows_out = pool.stride[0] <= pool.kernel[0]
    return is_plain and leaves_no_rows_out and workload.ow >= nr


def pays(workload: Conv2dWorkload) -> bool:
    """Whether the map between would not stay in a cache anyway, and the weights do."""
    is_large = 4 * workload.n * workload.co * workload.pixels >= LARGE_OUTPUT
    return is_large and 4 * workload.k * workload.co <= _MOST_WEIGHT_BYTES


def emit(conv: Convolution, core: Core, tile: tuple[int, int], pool: MaxPool, threads: int) -> None:
    """Writes the nest.

    Args:
        conv: writes to the pooling's result.
        tile: (MR, NR); the weights are tiles of MR channels.
        threads: how many will share the work: each computes some rows of its neighbour's as well.
    """
    _Pooled(conv, core, tile, pool, threads).emit()


class _Band(FlatTiling):
    """Tiles of a run of pixels whose ends are known when it runs; the last one overlaps.

    Args:
        first: the first pixel.
        pixels: how many, at least `nr` or none.
    """

    def __init__(self, workload: Conv2dWorkload, nr: int, first, pixels) -> None:
        super().__init__(workload, nr)
        self._first, self._pixels = first, pixels

    def origin(self, e: Emitter, tile):
        last = self._pixels - self.nr
        return (e.bind("pixel", self._first + tirx.min(tile * self.nr, last)),)


@dataclass(frozen=True)
class _Stage:
    """Rows of the convolution's result, of all channels.

    Attributes:
        buffer: flat.
        pitch: elements from one channel to the next.
        top: the number of the first row, an expression.
    """

    buffer: Any
    pitch: int
    top: Any


@dataclass(frozen=True, kw_only=True)
class _BandNest(Nest):
    """The convolution of a band.

    Attributes:
        stage: where results go.
        input_lines: lines of each input channel that the next band reads anew.
        next_input: flat buffer, and the row of its planes with which they begin.
        tiles: of pixels in a band.
    """

    stage: _Stage
    input_lines: int
    next_input: tuple[Any, Any]
    tiles: int

    def _ahead(self, image, channel_tile, tile, origin, first_row) -> Ahead:
        """Some of the input that the next band reads anew: all tiles together fetch all of it."""
        workload = self.conv.workload
        height, width = padded_plane(workload)
        buffer, first_line = self.next_input
        share = -(-self.input_lines * workload.ci // (self.channel_tiles * self.tiles))
        line = (channel_tile * self.tiles + tile) * share
        channel = tirx.min(tirx.floordiv(line, self.input_lines), workload.ci - 1)
        row = (image * workload.ci + channel) * height + first_line
        return Ahead(buffer, row * width + tirx.floormod(line, self.input_lines) * LINE, LINE)

    def _store(self, image, channel_tile, origin, accumulators) -> None:
        conv, e, mr, nr = self.conv, self.conv.e, self.kernel.mr, self.kernel.nr
        if not conv.may_reduce_first:
            for row, channel in self._rows(channel_tile):
                conv.apply_epilogue(image, channel, origin[0], accumulators, row * nr, nr)
        first = channel_tile * (mr * self.stage.pitch)
        at = e.bind("at", first + origin[0] - self.stage.top * conv.workload.ow)
        for row in range(mr):
            for i in range(0, nr, LANES):
                value = BufferLoad(accumulators, [ramp(row * nr + i)])
                e.store(self.stage.buffer, ramp(at + row * self.stage.pitch + i), value)


class _Pooled:
    """The whole nest."""

    def __init__(
        self, conv: Convolution, core: Core, tile: tuple[int, int], pool: MaxPool, threads: int
    ) -> None:
        self._conv, self._e, self._pool = conv, conv.e, pool
        self._kernel = kernel(core, *tile)
        workload, (step, reach) = conv.workload, (pool.stride[0], pool.kernel[0])
        self._kept = reach - step  # rows that the windows of two bands have in common
        bytes_a_row = 4 * workload.co * workload.ow
        fitting = (_MOST_BYTES // bytes_a_row - self._kept) // step
        self._band = max(min(fitting, _MOST_ROWS), 1)  # output rows of the pooling in a band
        self._rows = self._band * step + self._kept
        self._share = -(-pool.oh // threads)  # output rows of the pooling that a core computes
        # A line more than a row needs, as rows a power of two apart would share cache sets.
        self._pitch = -(-self._rows * workload.ow // LINE) * LINE + LINE
        self._channel_tiles = -(-workload.co // self._kernel.mr)
        self._block = self._tiles_in_half(core.l1d_bytes)

    def _tiles_in_half(self, bytes_: int) -> int:
        """How many panels fit into half of a cache beside a tile of the weights."""
        k, mr, nr = self._conv.workload.k, self._kernel.mr, self._kernel.nr
        return max((bytes_ // 2 // (4 * k) - mr) // nr, 1)

    def emit(self) -> None:
        e, workload, pool = self._e, self._conv.workload, self._pool
        data = emit_padded(self._conv)
        groups = -(-pool.oh // self._share)
        with e.loop(workload.n * groups, "group", ForKind.PARALLEL) as index:
            image = e.bind("image", tirx.floordiv(index, groups))
            begin = e.bind("begin", tirx.floormod(index, groups) * self._share)
            end = e.bind("end", tirx.min(begin + self._share, pool.oh))
            panels = e.alloc("panels", self._block * workload.k * self._kernel.nr)
            stage = e.alloc("stage", self._channel_tiles * self._kernel.mr * self._pitch)
            windows = WindowRows(e, pool, stage)
            columns = windows.alloc_row()
            with e.loop(-(-self._share // self._band), "band") as band:
                y = e.bind("y", tirx.min(begin + band * self._band, end))
                y_end = e.bind("y_end", tirx.min(y + self._band, end))
                top = e.bind("top", tirx.max(self._top(y), 0))
                rows = _Stage(stage, self._pitch, top)
                self._compute(image, band == 0, y, y_end, data, panels, rows)
                with e.loop(workload.co, "channel") as channel:
                    self._reduce(image, channel, y, y_end, windows, columns, rows)

    def _top(self, y):
        """The row of the convolution's result with which the windows of output row `y` begin."""
        return y * self._pool.stride[0] - self._pool.padding[0]

    def _compute(self, image, is_first, y, y_end, data, panels, stage: _Stage) -> None:
        """The rows under output rows `y` to `y_end` that `stage` does not have yet."""
        e, workload, nr = self._e, self._conv.workload, self._kernel.nr
        bottom = tirx.min(self._top(y_end) + self._kept, workload.oh)
        known = tirx.max(tirx.min(self._top(y) + self._kept, workload.oh), 0)
        first = e.bind("first", tirx.Select(is_first, stage.top, known))
        pixels = e.bind("pixels", tirx.max(bottom - first, 0) * workload.ow)
        tiles = e.bind("tiles", tirx.floordiv(pixels + (nr - 1), nr))
        nest = self._nest(_Band(workload, nr, first * workload.ow, pixels), bottom, data, stage)
        with e.loop(tirx.floordiv(tiles + (self._block - 1), self._block), "block") as block:
            first_tile = e.bind("first_tile", block * self._block)
            turns = e.bind("turns", tirx.min(tiles - first_tile, self._block))
            with e.loop(turns, "tile") as tile:
                at = tile * nest.panel_size
                pack_tile(nest, data, image, first_tile + tile, panels, at, _ALL_OF_K)
            nest._compute_block(image, first_tile, turns, panels, _ALL_OF_K, None)

    def _nest(self, tiling: _Band, bottom, data, stage: _Stage) -> _BandNest:
        """The nest of a band up to row `bottom` of the convolution's result."""
        workload = self._conv.workload
        rows = self._band * self._pool.stride[0] * workload.stride[0]
        _, width = padded_plane(workload)
        read = (bottom - 1) * workload.stride[0] + (workload.kh - 1) * workload.dilation[0] + 1
        return _BandNest(
            self._conv,
            self._kernel,
            tiling,
            self._block,
            stage=stage,
            input_lines=-(-rows * width // LINE) + 1,
            next_input=(data, read),
            tiles=-(-(self._rows - self._kept) * workload.ow // self._kernel.nr),
        )

    def _reduce(self, image, channel, y, y_end, windows, columns, stage: _Stage) -> None:
        """Pools one channel's rows; those that the next windows lie over go to the top."""
        conv, e, pool, width = self._conv, self._e, self._pool, self._conv.workload.ow
        at = e.bind("at", channel * stage.pitch)

        def line(row):
            return at + (row - stage.top) * width

        def store(index, value, lanes: int) -> None:
            if not conv.may_reduce_first:
                e.store(conv.output, ramp(index) if lanes > 1 else index, value)
                return
            maxima = e.registers("maxima", LANES)
            e.store(maxima, ramp(0) if lanes > 1 else 0, value)
            conv.store_reduced(image, channel, index, maxima, 0, lanes)

        with e.loop(y_end - y, "window_row") as nth:
            start = ((image * conv.workload.co + channel) * pool.oh + y + nth) * pool.ow
            windows.emit(y + nth, line, columns, start, store)
        if self._kept:
            next_top = tirx.max(self._top(y_end), 0)
            e.copy(stage.buffer, at, stage.buffer, line(next_top), self._kept * width)
