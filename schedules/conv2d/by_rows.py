"""Panels packed by way of rows: what a kernel tap reads, row after row, then cut into tiles.

Pixels under a tile of a flattened map lie in pieces of several rows, every second one where the
stride is two: a tile at a time, they are copied one by one. The rows of a run of tiles are read as
vectors instead, the border of zeros is made on the way, and the tiles are cut out of what is then
one run of pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from ..lowering.emit import LANES, LINE, ramp, zero
from ..workload import Conv2dWorkload
from .padding import padded_plane
from .pixels import FlatTiling

if TYPE_CHECKING:
    from .loopnest import Nest, Part, Tail

_UNROLLED = 8  # vectors of a row that are written out
_MOST_TAPS = 49  # of a 7x7 kernel, whose columns are all written out


def block_for_rows(workload: Conv2dWorkload, nr: int, blocks: Iterable[int]) -> int | None:
    """The smallest of `blocks`, in tiles of NR pixels, that is packed by way of rows, if any is."""
    return next((block for block in blocks if _pays(workload, nr, block * nr)), None)


def _pays(workload: Conv2dWorkload, nr: int, pixels: int) -> bool:
    """Whether it does for so many pixels: two rows or more, as a row in two runs is read twice."""
    return (
        1 < workload.kh * workload.kw <= _MOST_TAPS
        and workload.stride[1] <= 2
        and workload.ow >= LANES
        and workload.pixels >= nr
        and pixels >= 2 * workload.ow
    )


class RowPacker:
    """Packs the panels of one nest. See `serves`."""

    def __init__(self, nest: Nest, pixels: int) -> None:
        """`pixels`: that are packed together, at most."""
        self._nest, self._conv = nest, nest.conv
        workload, source = nest.conv.workload, nest.conv.source
        self._plane, self._data = (workload.h, workload.w), nest.conv.data
        self._border = workload.padding[:2]  # to be made above and to the left
        if source is not None:  # it has its border
            self._plane, self._data, self._border = padded_plane(workload), source, (0, 0)
        rows = min(workload.oh, (pixels + workload.ow - 2) // workload.ow + 1)
        # A line more than they need, as rows a power of two apart would share cache sets.
        self._pitch = -(-rows * workload.ow // LINE) * LINE + LINE

    @staticmethod
    def serves(nest: Nest, pixels: int) -> bool:
        """Whether `nest` can be packed so, and `pixels` together are enough for it to pay."""
        is_flat = nest.packed and isinstance(nest.tiling, FlatTiling)
        return is_flat and _pays(nest.conv.workload, nest.tiling.nr, pixels)

    def pack(
        self,
        image,
        first,
        turns,
        panels,
        part: Part,
        tail: Tail | None,
        kind: ForKind = ForKind.SERIAL,
    ) -> None:
        """Packs tiles `first` to `first + turns` into `panels`, and the tail's behind them.

        Args:
            kind: of the loop over input channels.
        """
        e, workload, nr = self._conv.e, self._conv.workload, self._nest.tiling.nr
        begin = tirx.min(first * nr, workload.pixels - nr)
        end = tirx.min((first + turns) * nr, workload.pixels)
        if tail:
            end = tirx.Select(tirx.convert(tail.condition), tirx.const(workload.pixels), end)
        top = e.bind("top", tirx.floordiv(begin, workload.ow))
        count = e.bind("count", tirx.floordiv(end - 1, workload.ow) - top + 1)
        with e.loop(self._nest.part_channels, "ci", kind) as ci:
            rows = e.alloc("rows", workload.kw * self._pitch)
            channel = e.bind("channel", image * workload.ci + part.first + ci)
            with e.loop(workload.kh, "kh") as kh:
                self._gather_rows(channel, kh, top, count, rows)
                k = (ci * workload.kh + kh) * workload.kw
                self._cut(first, turns, top * workload.ow, rows, panels, k)
                if tail:
                    with e.when(tail.condition):
                        start = workload.pixels - tail.nest.tiling.nr - top * workload.ow
                        self._cut_tile(start, rows, panels, tail.panel, k, tail.nest.tiling.nr)

    def _cut(self, first, turns, start, rows, panels, k) -> None:
        """Copies the tiles' pixels out of `rows`, which begin with pixel `start`."""
        e, tiling = self._conv.e, self._nest.tiling
        with e.loop(turns, "tile") as tile:
            origin = tiling.origin(e, first + tile)[0] - start
            panel = e.bind("panel", tile * self._nest.panel_size)
            self._cut_tile(origin, rows, panels, panel, k, tiling.nr)

    def _cut_tile(self, origin, rows, panels, panel, k, nr: int) -> None:
        """One tile's `nr` pixels under all kernel columns; the first is row `k` of its panel."""
        step = LANES if nr % LANES == 0 else 1
        for kw in range(self._conv.workload.kw):
            for i in range(0, nr, step):
                at, source = panel + (k + kw) * nr + i, kw * self._pitch + origin + i
                if step == LANES:
                    at, source = ramp(at), ramp(source)
                self._conv.e.store(panels, at, BufferLoad(rows, [source]))

    def _gather_rows(self, channel, kh, top, count, rows) -> None:
        """`count` output rows' pixels under all kernel columns into `rows`.

        The same lines of the next plane are asked for meanwhile, a few after each kernel column:
        while all outstanding misses are taken, hints are dropped.
        """
        e, workload = self._conv.e, self._conv.workload
        (height, width), kernel_columns = self._plane, workload.kw
        step = workload.stride[0]
        tap = e.bind("tap", kh * workload.dilation[0] - self._border[0])
        first_line = top * step + tap
        hint = e.view_from(self._data, ((channel + 1) * height + first_line) * width)
        hinted = (*range(0, width - 1, LINE), width - 1)
        with e.loop(count, "row") as row:
            line = e.bind("line", first_line + row * step)
            at = row * workload.ow
            inside = self._inside(line)
            with _when(self._conv.e, inside):
                source = e.bind("source", (channel * height + line) * width)
                for kw in range(kernel_columns):
                    for column in hinted[kw::kernel_columns]:
                        e.prefetch(hint, row * (step * width) + column)
                    self._row(source, kw, rows, at + kw * self._pitch)
            if inside is not None:
                with e.when(tirx.Not(inside)):
                    for kw in range(kernel_columns):
                        e.fill_zero(rows, at + kw * self._pitch, workload.ow)

    def _inside(self, line):
        """Whether an input line exists; None where any does."""
        workload, height = self._conv.workload, self._plane[0]
        last = (workload.oh - 1) * workload.stride[0] - self._border[0]
        last += (workload.kh - 1) * workload.dilation[0]
        tests = []
        if self._border[0]:
            tests.append(line >= 0)
        if last >= height:
            tests.append(line < height)
        return tirx.all(*tests) if tests else None

    def _row(self, source, kw: int, rows, at) -> None:
        """The pixels of a row under kernel column `kw`; zeros beyond its ends."""
        e, workload = self._conv.e, self._conv.workload
        step, width = workload.stride[1], self._plane[1]
        offset = kw * workload.dilation[1] - self._border[1]
        low = min(max(-(offset // step), 0), workload.ow)
        high = max(min(-((offset - width) // step), workload.ow), low)
        for x in (*range(low), *range(high, workload.ow)):
            e.store(rows, at + x, zero())
        if high - low < LANES:
            for x in range(low, high):
                e.store(rows, at + x, BufferLoad(self._data, [source + x * step + offset]))
            return
        source = source + low * step + offset
        whole = (high - low - 1) // LANES  # and a last one, which overlaps where it must
        if whole <= _UNROLLED:
            for n in range(whole):
                self._four(source + n * (LANES * step), rows, at + low + n * LANES)
        else:
            with e.loop(whole, "v") as v:
                self._four(source + v * (LANES * step), rows, at + low + v * LANES)
        last = high - LANES - low
        self._four(source + last * step, rows, at + low + last, is_last=True)

    def _four(self, source, rows, at, is_last: bool = False) -> None:
        """Four pixels; of the last ones of a row nothing behind them is read."""
        value = BufferLoad(self._data, [ramp(source)])
        if self._conv.workload.stride[1] == 2:
            second = BufferLoad(self._data, [ramp(source + (LANES - 1 if is_last else LANES))])
            value = tirx.Shuffle([value, second], [0, 2, 5, 7] if is_last else [0, 2, 4, 6])
        self._conv.e.store(rows, ramp(at), value)


def _when(e, condition) -> AbstractContextManager[None]:
    return nullcontext() if condition is None else e.when(condition)
