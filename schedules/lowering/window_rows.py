"""Rows of max-pooling windows: by columns first, then by rows, four outputs at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any

from tvm import tirx
from tvm.tirx import BufferLoad

from .emit import LANES, LINE, Emitter, maximum, ramp, splat

if TYPE_CHECKING:
    from .max_pool import MaxPool

Line = Callable[[Any], Any]
"""Number of an input row -> index of its first element."""

Store = Callable[[Any, Any, int], None]
"""Called with an index, a value and its lanes, 4 or 1."""


class WindowRows:
    """Computes output rows of a pooling.

    Args:
        e: of the function.
        data: flat buffer.
        lines_ahead: cache lines by which input rows are prefetched; 0: they are in L1.
    """

    def __init__(self, e: Emitter, pool: MaxPool, data, lines_ahead: int = 0) -> None:
        self._e, self._pool, self._data = e, pool, data
        self._lines_ahead = lines_ahead
        # Outputs computed together: as many whole vectors as a row has, at most four.
        self._tile = max((n for n in (16, 8, 4) if n <= pool.ow), default=1)

    def alloc_row(self):
        """Memory for a row of column maxima, between borders that never are the largest."""
        row = self._e.alloc("row", self._pool.row_size)
        for at in range(0, self._pool.row_size, LANES):
            self._e.store(row, ramp(at), splat(tirx.const(-math.inf, "float32")))
        return row

    def emit(self, y, line: Line, row, start, store: Store) -> None:
        """Emits the windows of output row `y`.

        Args:
            line: where input rows begin. For one outside of the input the outermost is taken, which
                lies under the window as well: to see it twice makes no difference.
            row: from `alloc_row`.
            start: index of the first output.
            store: stores outputs.
        """
        e, pool = self._e, self._pool
        self._reduce_columns(y, line, row)
        with e.loop(-(-pool.ow // self._tile), "tile") as tile:
            x = e.bind("x", tirx.min(tile * self._tile, pool.ow - self._tile))
            self._reduce_rows(row, x, start + x, store)

    def _reduce_columns(self, y, line: Line, row) -> None:
        """Writes the maxima of the input rows under a row of windows.

        From memory, rows that the windows above have read, and the first new one, are reduced at
        once; each further row is added by itself. So memory is read in one stream from the first
        byte of a plane to the last, which is what a hardware prefetcher follows best.
        """
        pool = self._pool
        together = pool.kernel[0]
        if self._lines_ahead:
            together = max(pool.kernel[0] - pool.stride[0], 0) + 1
        top = self._e.bind("top", y * pool.stride[0] - pool.padding[0])

        def inside(number):
            nearest = tirx.max(tirx.min(number, pool.h - 1), 0)
            return self._e.bind("line", line(nearest))

        self._add_lines([inside(top + i) for i in range(together)], row, first=True)
        if together < pool.kernel[0]:
            further = tirx.min(pool.kernel[0], pool.h - top) - together
            with self._e.loop(tirx.max(further, 0), "further") as i:
                self._add_lines([inside(top + together + i)], row, first=False)

    def _add_lines(self, lines, row, first: bool) -> None:
        e, width = self._e, self._pool.w
        # The newest line is the last one; memory behind it is what comes next.
        with e.loop(width // LINE, "block") as block:
            if self._lines_ahead:
                e.prefetch(self._data, lines[-1] + (block + self._lines_ahead) * LINE)
            for i in range(0, LINE, LANES):
                self._add_columns(lines, block * LINE + i, row, LANES, first)
        for column in range(width // LINE * LINE, width // LANES * LANES, LANES):
            self._add_columns(lines, column, row, LANES, first)
        for column in range(width // LANES * LANES, width):
            self._add_columns(lines, column, row, 1, first)

    def _add_columns(self, lines, column, row, lanes: int, first: bool) -> None:
        def index(at):
            return ramp(at) if lanes > 1 else at

        at = index(self._pool.border + column)
        values = [BufferLoad(self._data, [index(line + column)]) for line in lines]
        if not first:
            values.append(BufferLoad(row, [at]))
        self._e.store(row, at, reduce(maximum, values))

    def _reduce_rows(self, row, x, out, store: Store) -> None:
        """Stores one tile of outputs from the column maxima."""
        pool, step = self._pool, self._pool.stride[1]
        first = pool.border - pool.padding[1] + x * step
        if self._tile == 1:
            taps = [BufferLoad(row, [first + tap]) for tap in range(pool.kernel[1])]
            store(out, reduce(maximum, taps), 1)
            return
        for i in range(0, self._tile, LANES):
            taps = [self._strided(row, first, i, tap) for tap in range(pool.kernel[1])]
            store(out + i, reduce(maximum, taps), LANES)

    def _strided(self, row, first, i: int, tap: int):
        """What `tap` of the windows of outputs `i` to `i + 3` sees: elements `stride` apart."""
        stride = self._pool.stride[1]
        if stride == 1:
            return BufferLoad(row, [ramp(first + i + tap)])
        if stride == 2:
            return self._every_second(row, first, i + tap // 2, tap % 2)
        elements = [BufferLoad(row, [first + (i + n) * stride + tap]) for n in range(LANES)]
        return tirx.Shuffle(elements, list(range(LANES)))

    def _every_second(self, row, first, pair: int, half: int):
        """Elements number `half` of the pairs from `pair` on.

        Pairs are loaded as whole vectors, which the load itself takes apart (`ld2`, `vld2`).
        """

        def vector(pair: int):
            pairs = BufferLoad(row, [ramp(first + 2 * pair, 2 * LANES)])
            return tirx.Shuffle([pairs], [2 * lane + half for lane in range(LANES)])

        whole, shift = divmod(pair, LANES)
        low = vector(whole * LANES)
        if shift == 0:
            return low
        behind = (whole + 1) * LANES
        # Behind the tile a single element is cheaper than a vector, where it is enough.
        one_more = shift == 1 and behind == self._tile
        high = splat(BufferLoad(row, [first + 2 * behind + half])) if one_more else vector(behind)
        return tirx.Shuffle([low, high], list(range(shift, shift + LANES)))
