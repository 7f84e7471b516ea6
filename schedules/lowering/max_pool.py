"""Max pooling: windows reduced by columns first, four outputs at a time (`window_rows`).

LLVM's own vectorization of a pooling loop compares and selects (because of NaNs) and loads every
tap; here rows under a window are reduced as they lie in memory, once for all taps of a row, with
the hardware's maximum, into a buffer of one row that has the padding around it. Tiles at the right
edge overlap their neighbours instead of reaching beyond.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from tvm import relax, te, tirx
from tvm.tirx import ForKind

from .annotations import annotation_of_unary
from .emit import LANES, Emitter, ramp
from .window_rows import WindowRows

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


def find_annotated(func: tirx.PrimFunc) -> MaxPool | None:
    """The pooling that `func` computes, if that is one of ours and nothing else."""
    text = annotation_of_unary(func, ANNOTATION)
    return None if text is None else MaxPool.from_json(text)


def schedule_max_pool(func: tirx.PrimFunc) -> tirx.PrimFunc | None:
    """The scheduled function, if `func` is one of our poolings and nothing else."""
    pool = find_annotated(func)
    if pool is None:
        return None
    nest = _Nest(pool, func)
    return func.with_body(nest.emit()).with_attr("tirx.is_scheduled", True)


class _Nest:
    """The loop nest of one pooling."""

    def __init__(self, pool: MaxPool, func: tirx.PrimFunc) -> None:
        self._pool, self._e = pool, Emitter()
        data, self._output = (self._e.flat_view(buffer) for buffer in func.params)
        self._windows = WindowRows(self._e, pool, data, _LINES_AHEAD)

    def emit(self) -> tirx.Stmt:
        e, pool = self._e, self._pool
        with e.loop(pool.planes, "plane", ForKind.PARALLEL) as plane:
            row = self._windows.alloc_row()
            with e.loop(pool.oh, "y") as y:
                start = (plane * pool.oh + y) * pool.ow
                self._windows.emit(
                    y, lambda number: self._line(plane, number), row, start, self._store
                )
        return e.body()

    def _line(self, plane, number):
        """Where input row `number` begins."""
        return (plane * self._pool.h + number) * self._pool.w

    def _store(self, index, value, lanes: int) -> None:
        self._e.store(self._output, ramp(index) if lanes > 1 else index, value)
