"""A tile of one channel's plane: rows in registers from the first load to the last product.

The input is read in place. Each vector of an input row is loaded once; its shifted neighbours come
from shuffles of registers, pixels two apart from de-interleaving, the border is a vector of zeros.
Rows are taken from top to bottom: only the output rows that still miss a tap are in registers, so a
tile may be as high as the code may be long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tvm import tirx
from tvm.tirx import BufferLoad

from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, ramp, splat, zero
from ..microkernels.by_lane import multiply_add
from ..workload import Conv2dWorkload

LINE = 16  # elements of a cache line
MARGIN = LANES - 1
"""Pixels beside an inner tile's input that may be loaded with it, to be shuffled away."""


def vector_starts(width: int) -> tuple[int, ...]:
    """First pixels of the vectors that cover `width` >= 4 pixels; the last may overlap."""
    whole = range(0, width - LANES + 1, LANES)
    return (*whole, width - LANES) if width % LANES else tuple(whole)


def live_rows(workload: Conv2dWorkload) -> int:
    """Output rows that one input row contributes to, or that wait for their next one."""
    return (workload.kh - 1) * workload.dilation[0] // workload.stride[0] + 1


@dataclass(frozen=True)
class Axis:
    """Rows or columns: how tiles of `tile` outputs lie over the input."""

    out: int
    tile: int
    extent: int
    stride: int
    before: int  # border
    reach: int  # from the first tap to the last

    @property
    def count(self) -> int:
        return -(-self.out // self.tile)

    def origin(self, index: int) -> int:
        """First output of tile `index`; the last tile overlaps where it must."""
        return min(index * self.tile, self.out - self.tile)

    def inner(self, margin: int) -> range:
        """The tiles whose input, and `margin` more on both sides, lies within the plane."""

        def inside(index: int) -> bool:
            first = self.origin(index) * self.stride - self.before
            last = first + (self.tile - 1) * self.stride + self.reach
            return first >= margin and last + margin < self.extent

        found = [i for i in range(self.count) if i * self.tile == self.origin(i) and inside(i)]
        return range(found[0], found[-1] + 1) if found else range(0)


@dataclass
class Row:
    """One input row under a tile.

    Attributes:
        conv: the function that is written.
        at: index of the pixel in column `base` of this row, `base` being under the tile's corner.
        base: that column where it is known, else None: everything under the tile is in the plane.
        starts: first outputs of the tile's vectors.
    """

    conv: Convolution
    at: Any
    base: int | None
    starts: tuple[int, ...]
    _vectors: dict[tuple, object] = field(default_factory=dict)

    def tap(self, i: int, kw: int):
        """The pixels that tap `kw` multiplies for the tile's vector number `i`."""
        workload = self.conv.workload
        stride = workload.stride[1]
        offset = kw * workload.dilation[1] - workload.padding[1]
        shift, phase = divmod(offset, stride)
        place = self.starts[i] + shift
        if place in self.starts:
            return self._phase(place, phase)
        columns = [(place + lane) * stride + phase for lane in range(LANES)]
        if stride == 1 and all(map(self._exists, columns)) and not self._between(place):
            return self._load(columns[0])
        low = max((s for s in self._places() if s < place), default=None)
        if low is None or low + LANES not in self._places():
            return self._gather(columns)
        lanes = [place - low + lane for lane in range(LANES)]
        ends = [
            [c for c, lane in zip(columns, lanes, strict=True) if lane // LANES == end]
            for end in (0, 1)
        ]
        pair = [self._end(low, phase, ends[0]), self._end(low + LANES, phase, ends[1])]
        if None in pair:
            return self._gather(columns)
        return self._bind(("ext", place, phase), tirx.Shuffle(pair, lanes))

    def load(self, i: int) -> None:
        """Loads what most taps of vector number `i` take, ahead of its use."""
        workload = self.conv.workload
        central = min(-(-workload.padding[1] // workload.dilation[1]), workload.kw - 1)
        if i < len(self.starts):
            self.tap(i, central)

    def _places(self) -> list[int]:
        """The vectors of the tile and one beyond on each side."""
        return [self.starts[0] - LANES, *self.starts, self.starts[-1] + LANES]

    def _between(self, place: int) -> bool:
        """Whether a vector is the end of one of the tile's and the beginning of the next."""
        return any(s < place < s + LANES and s + LANES in self.starts for s in self.starts)

    def _exists(self, column: int) -> bool:
        return self.base is None or 0 <= self.base + column < self.conv.workload.w

    def _end(self, place: int, phase: int, needed: list[int]):
        """A vector of the tile, or one beside it with the `needed` columns in their lanes.

        None if that is no single load.
        """
        if place in self.starts:
            return self._phase(place, phase)
        if not any(map(self._exists, needed)):
            return splat(zero())
        if len(needed) > 1:
            return None
        first = needed[0] - (LANES - 1 if place < self.starts[0] else 0)
        if self._exists(first) and self._exists(first + LANES - 1):
            return self._load(first)
        return self._gather([needed[0]] * LANES)

    def _phase(self, place: int, phase: int):
        """Pixels `stride` apart from `place` on."""
        stride = self.conv.workload.stride[1]
        columns = [(place + lane) * stride + phase for lane in range(LANES)]
        if stride == 1 and all(map(self._exists, columns)):
            return self._load(columns[0])
        first, last = columns[0] - phase, columns[0] - phase + 2 * LANES - 1
        if stride == 2 and self._exists(first) and self._exists(last):
            halves = [self._load(first), self._load(first + LANES)]
            value = tirx.Shuffle(halves, [phase + 2 * lane for lane in range(LANES)])
            return self._bind(("phase", place, phase), value)
        return self._gather(columns)

    def _load(self, column: int):
        data = self.conv.data
        return self._bind(("load", column), BufferLoad(data, [ramp(self.at + column)]))

    def _gather(self, columns: list[int]):
        """Any four pixels of the row, or zeros beyond it, lane by lane."""
        lanes = [
            BufferLoad(self.conv.data, [self.at + column]) if self._exists(column) else zero()
            for column in columns
        ]
        value = tirx.Shuffle(lanes, list(range(LANES)))
        return self._bind(("gather", *columns), value)

    def _bind(self, key: tuple, value):
        if key not in self._vectors:
            self._vectors[key] = self.conv.e.bind_vector("pixels", value)
        return self._vectors[key]


@dataclass(frozen=True)
class Tile:
    """Emits tiles of VH x VW outputs.

    Attributes:
        conv: the function that is written.
        rows, columns: how the tiles cover the plane.
        weights: vectors that hold the channel's taps, row after row.
        by_lane: whether products by lane are written as instructions (armv7).
    """

    conv: Convolution
    rows: Axis
    columns: Axis
    weights: list
    by_lane: bool

    def emit(self, image, channel, start, y, x, ahead) -> None:
        """Emits the tile whose first output is (y, x), of the plane whose input begins at `start`.

        Args:
            y, x: numbers where the tile touches the border, else variables.
            ahead: (index, count): lines of the input to prefetch meanwhile.
        """
        conv, e, workload = self.conv, self.conv.e, self.conv.workload
        (stride, dilation), width = (workload.stride[0], workload.dilation[0]), workload.w
        starts = vector_starts(self.columns.tile)
        live = min(live_rows(workload), self.rows.tile)
        at = e.bind("at", start + y * (stride * width) + x * workload.stride[1])
        base = x * workload.stride[1] if isinstance(x, int) else None
        sums = e.registers("sums", live * len(starts) * LANES)
        begun: set[int] = set()
        height = (self.rows.tile - 1) * stride + self.rows.reach + 1
        first, lines = ahead
        for row in range(height):
            for line in range(row * lines // height, (row + 1) * lines // height):
                self._prefetch(first + line * LINE)
            taps = [
                (v, kh)
                for v in range(self.rows.tile)
                for kh in range(workload.kh)
                if v * stride + kh * dilation == row
            ]
            if taps and self._row_exists(y, row):
                source = Row(conv, at + (row - workload.padding[0]) * width, base, starts)
                self._add(source, sums, taps, begun, live)
            for v in range(self.rows.tile):
                if v * stride + self.rows.reach != row:
                    continue
                for i, place in enumerate(starts):
                    slot = (v % live * len(starts) + i) * LANES
                    if v not in begun:
                        e.store(sums, ramp(slot), splat(zero()))
                    conv.store_row(
                        image, channel, (y + v) * workload.ow + x + place, sums, slot, LANES
                    )

    def _row_exists(self, y, row: int) -> bool:
        if not isinstance(y, int):
            return True
        return 0 <= y * self.rows.stride - self.rows.before + row < self.rows.extent

    def _add(self, source: Row, sums, taps, begun: set[int], live: int) -> None:
        """Adds one input row to the output rows that it lies under.

        Vectors are taken from left to right and the taps of one a step apart: few pixels are in
        registers at a time, and a sum is not needed again right behind its last product.
        """
        e, kernel_width = self.conv.e, self.conv.workload.kw
        count = len(source.starts)
        for step in range(count + kernel_width - 1):
            source.load(step + 1)
            for kw in range(max(0, step - count + 1), min(kernel_width, step + 1)):
                i = step - kw
                pixels = source.tap(i, kw)
                for v, kh in taps:
                    tap = kh * kernel_width + kw
                    at = ramp((v % live * count + i) * LANES)
                    total = BufferLoad(sums, [at]) if v in begun or kw else None
                    weights, lane = self.weights[tap // LANES], tap % LANES
                    value = multiply_add(
                        self.conv, total, pixels, weights, lane, assembly=self.by_lane
                    )
                    e.store(sums, at, value)
        begun.update(v for v, _ in taps)

    def _prefetch(self, index) -> None:
        address = tirx.address_of(BufferLoad(self.conv.data, [index]))
        hint = tirx.call_llvm_intrin("void", "llvm.prefetch", address, 0, 3, 1)
        self.conv.e.emit(tirx.Evaluate(hint))
