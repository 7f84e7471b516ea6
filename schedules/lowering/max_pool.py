"""Max pooling: windows reduced by columns first, four outputs at a time.

LLVM's own vectorization of a pooling loop compares and selects (because of NaNs) and loads every
tap; here rows under a window are reduced as they lie in memory, once for all taps of a row, with
the hardware's maximum, into a buffer of one row that has the padding around it. Tiles at the right
edge overlap their neighbours instead of reaching beyond.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import reduce

from tvm import relax, te, tirx
from tvm.s_tir import Schedule as TensorSchedule
from tvm.tirx import BufferLoad, ForKind

from .emit import LANES, LINE, Emitter, ramp, splat

ANNOTATION = "arm_max_pool"

_LINES_AHEAD = 4  # of the newest input row; the best of 4, 8 and 16 on the emulated boards


@dataclass(frozen=True)
class MaxPool:
    """A max pooling of (`planes`, `h`, `w`) to (`planes`, `oh`, `ow`).

    `padding` is (rows above, columns on the left); what windows reach below and on the right
    follows from the sizes.
    """

    planes: int
    h: int
    w: int
    oh: int
    ow: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    @classmethod
    def from_json(cls, text: str) -> MaxPool:
        """The pooling whose fields `json.dumps(asdict(pool))` wrote."""
        fields = json.loads(text)
        for name in ("kernel", "stride", "padding"):
            fields[name] = tuple(fields[name])
        return cls(**fields)

    @property
    def border(self) -> int:
        """Where a row of column maxima begins in its buffer: whole vectors behind the padding."""
        return -(-self.padding[1] // LANES) * LANES

    @property
    def row_size(self) -> int:
        """Elements of a row of column maxima with its borders: whole vectors, some to spare."""
        reach = (self.ow - 1) * self.stride[1] + self.kernel[1] - self.padding[1]
        return self.border + (-(-max(reach, self.w) // LANES) + 2) * LANES


def pool_of(call: relax.Call) -> MaxPool | None:
    """The pooling of a `relax.nn.max_pool2d` call; None for those left to TVM.

    Those are other layouts and types, symbolic shapes, dilated windows, and windows that lie in
    the padding whole.
    """
    attrs, data = call.attrs, call.args[0].ty
    if attrs.layout != "NCHW" or attrs.out_layout != "NCHW" or str(data.dtype) != "float32":
        return None
    try:
        n, c, h, w = (int(extent) for extent in data.shape)
    except TypeError:
        return None
    kernel = tuple(int(size) for size in attrs.pool_size)
    stride = tuple(int(step) for step in attrs.strides)
    top, left = (int(size) for size in list(attrs.padding)[:2])
    oh, ow = (int(extent) for extent in list(call.ty.shape)[2:])
    dense = all(int(step) == 1 for step in attrs.dilation)
    touches = top < kernel[0] and left < kernel[1]
    touches &= (oh - 1) * stride[0] - top < h and (ow - 1) * stride[1] - left < w
    if not (dense and touches):
        return None
    return MaxPool(
        *(n * c, h, w, oh, ow), (kernel[0], kernel[1]), (stride[0], stride[1]), (top, left)
    )


def compute(data: te.Tensor, pool: MaxPool) -> te.Tensor:
    """What it means; the late pass replaces the loops by `_Nest`'s."""
    i = te.reduce_axis((0, pool.kernel[0]), name="i")
    j = te.reduce_axis((0, pool.kernel[1]), name="j")

    def output(n, c, y, x):
        row = y * pool.stride[0] + i - pool.padding[0]
        column = x * pool.stride[1] + j - pool.padding[1]
        inside = tirx.all(row >= 0, row < pool.h, column >= 0, column < pool.w)
        lowest = te.min_value(data.dtype)
        return te.max(tirx.if_then_else(inside, data[n, c, row, column], lowest), axis=[i, j])

    return te.compute(
        (*data.shape[:2], pool.oh, pool.ow),
        output,
        name="max_pool",
        attrs={ANNOTATION: json.dumps(asdict(pool))},
    )


def schedule_max_pool(func: tirx.PrimFunc) -> tirx.PrimFunc | None:
    """The scheduled function, if `func` is one of our poolings and nothing else."""
    sch = TensorSchedule(func)
    blocks = sch.get_child_blocks(sch.get_sblock("root"))
    found = [sch.get(block).annotations.get(ANNOTATION) for block in blocks]
    if found[-1] is None or len(func.params) != 2:
        return None
    nest = _Nest(MaxPool.from_json(str(found[-1])), func)
    return func.with_body(nest.emit()).with_attr("tirx.is_scheduled", True)


class _Nest:
    """The loop nest of one pooling."""

    def __init__(self, pool: MaxPool, func: tirx.PrimFunc) -> None:
        self._pool, self._e = pool, Emitter()
        self._data, self._output = (self._e.flat_view(buffer) for buffer in func.params)
        # Outputs computed together: as many whole vectors as a row has, at most four.
        self._tile = max((n for n in (16, 8, 4) if n <= pool.ow), default=1)

    def emit(self) -> tirx.Stmt:
        e, pool = self._e, self._pool
        with e.loop(pool.planes, "plane", ForKind.PARALLEL) as plane:
            # A row of column maxima between borders that never are the largest.
            row = e.alloc("row", pool.row_size)
            for at in range(0, pool.row_size, LANES):
                e.store(row, ramp(at), splat(tirx.const(-math.inf, "float32")))
            with e.loop(pool.oh, "y") as y:
                self._reduce_columns(plane, y, row)
                with e.loop(-(-pool.ow // self._tile), "tile") as tile:
                    x = e.bind("x", tirx.min(tile * self._tile, pool.ow - self._tile))
                    self._reduce_rows(row, x, (plane * pool.oh + y) * pool.ow + x)
        return e.body()

    def _reduce_columns(self, plane, y, row) -> None:
        """Writes the maxima of the input rows under a row of windows.

        Rows that the windows above have read, and the first new one, are reduced at once; each
        further row is added by itself. So memory is read in one stream from the first byte of a
        plane to the last, which is what a hardware prefetcher follows best.
        """
        pool = self._pool
        together = max(pool.kernel[0] - pool.stride[0], 0) + 1
        top = self._e.bind("top", y * pool.stride[0] - pool.padding[0])
        self._add_lines([self._line(plane, top + i) for i in range(together)], row, first=True)
        if together < pool.kernel[0]:
            further = tirx.min(pool.kernel[0], pool.h - top) - together
            with self._e.loop(tirx.max(further, 0), "further") as i:
                self._add_lines([self._line(plane, top + together + i)], row, first=False)

    def _line(self, plane, number):
        """Where input row `number` begins.

        For one outside of the input it is the outermost row, which lies under the window as well:
        to see it twice makes no difference.
        """
        pool = self._pool
        inside = tirx.max(tirx.min(number, pool.h - 1), 0)
        return self._e.bind("line", (plane * pool.h + inside) * pool.w)

    def _add_lines(self, lines, row, first: bool) -> None:
        e, width = self._e, self._pool.w
        # The newest line is the last one; memory behind it is what comes next.
        with e.loop(width // LINE, "block") as block:
            e.prefetch(self._data, lines[-1] + (block + _LINES_AHEAD) * LINE)
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
        self._e.store(row, at, reduce(_maximum, values))

    def _reduce_rows(self, row, x, out) -> None:
        """Stores one tile of outputs from the column maxima."""
        pool, step = self._pool, self._pool.stride[1]
        first = pool.border - pool.padding[1] + x * step
        if self._tile == 1:
            taps = [BufferLoad(row, [first + tap]) for tap in range(pool.kernel[1])]
            self._e.store(self._output, out, reduce(_maximum, taps))
            return
        for i in range(0, self._tile, LANES):
            taps = [self._strided(row, first, i, tap) for tap in range(pool.kernel[1])]
            self._e.store(self._output, ramp(out + i), reduce(_maximum, taps))

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


def _maximum(a, b):
    """One instruction on ARM; a NaN in a window makes its maximum NaN."""
    dtype = str(a.ty.dtype)
    suffix = "v4f32" if dtype == "float32x4" else "f32"
    return tirx.call_llvm_pure_intrin(dtype, f"llvm.maximum.{suffix}", a, b)
