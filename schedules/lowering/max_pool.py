"""Max pooling: windows reduced by columns first, four outputs at a time.

LLVM's own vectorization of a pooling loop compares and selects (because of NaNs) and loads every
tap; here rows under a window are reduced as they lie in memory, once for all taps of a row, with
the hardware's maximum. Windows at the right edge overlap their neighbours instead of reaching
beyond.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import reduce

from tvm import relax, te, tirx
from tvm.s_tir import Schedule as TensorSchedule
from tvm.tirx import BufferLoad, ForKind

from .emit import LANES, Emitter, ramp

ANNOTATION = "arm_max_pool"


@dataclass(frozen=True)
class MaxPool:
    """A max pooling of (`planes`, `h`, `w`) without padding to (`planes`, `oh`, `ow`)."""

    planes: int
    h: int
    w: int
    oh: int
    ow: int
    kernel: tuple[int, int]
    stride: tuple[int, int]

    @classmethod
    def from_json(cls, text: str) -> MaxPool:
        """The pooling whose fields `json.dumps(asdict(pool))` wrote."""
        fields = json.loads(text)
        kernel, stride = tuple(fields.pop("kernel")), tuple(fields.pop("stride"))
        return cls(**fields, kernel=kernel, stride=stride)


def pool_of(call: relax.Call) -> MaxPool | None:
    """The pooling of a `relax.nn.max_pool2d` call; None for those left to TVM.

    Those are other layouts and types, symbolic shapes, dilated windows, windows that reach beyond
    the input, and results less than four wide.
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
    oh, ow = (int(extent) for extent in list(call.ty.shape)[2:])
    inside = (oh - 1) * stride[0] + kernel[0] <= h and (ow - 1) * stride[1] + kernel[1] <= w
    plain = not any(map(int, attrs.padding)) and all(int(step) == 1 for step in attrs.dilation)
    if not (inside and plain) or ow < LANES:
        return None
    return MaxPool(n * c, h, w, oh, ow, (kernel[0], kernel[1]), (stride[0], stride[1]))


def compute(data: te.Tensor, pool: MaxPool) -> te.Tensor:
    """What it means; the late pass replaces the loops by `emit`'s."""
    i = te.reduce_axis((0, pool.kernel[0]), name="i")
    j = te.reduce_axis((0, pool.kernel[1]), name="j")
    return te.compute(
        (*data.shape[:2], pool.oh, pool.ow),
        lambda n, c, y, x: te.max(
            data[n, c, y * pool.stride[0] + i, x * pool.stride[1] + j], axis=[i, j]
        ),
        name="max_pool",
        attrs={ANNOTATION: json.dumps(asdict(pool))},
    )


def schedule_max_pool(func: tirx.PrimFunc) -> tirx.PrimFunc | None:
    """The scheduled function, if `func` is one of our poolings and nothing else."""
    sch = TensorSchedule(func)
    blocks = sch.get_child_blocks(sch.get_sblock("root"))
    text = sch.get(blocks[0]).annotations.get(ANNOTATION) if len(blocks) == 1 else None
    if text is None:
        return None
    pool = MaxPool.from_json(str(text))
    e = Emitter()
    data, output = (e.flat_view(buffer) for buffer in func.params)
    with e.loop(pool.planes, "plane", ForKind.PARALLEL) as plane:
        with e.loop(pool.oh, "y") as y:
            start = e.bind("start", plane * (pool.h * pool.w) + y * (pool.stride[0] * pool.w))
            with e.loop(-(-pool.ow // LANES), "tile") as tile:
                x = e.bind("x", tirx.min(tile * LANES, pool.ow - LANES))
                value = _four_windows(data, start + x * pool.stride[1], pool)
                e.store(output, ramp((plane * pool.oh + y) * pool.ow + x), value)
    return func.with_body(e.body()).with_attr("tirx.is_scheduled", True)


def _four_windows(data, start, pool: MaxPool):
    """The maxima of four neighbouring windows, the first of which begins at `start`."""
    columns = (LANES - 1) * pool.stride[1] + pool.kernel[1]
    # Vectors of columns; the last one begins early enough to end with the last column needed.
    firsts = [min(at, columns - LANES) for at in range(0, columns, LANES)]
    vectors = []
    for first in firsts:
        rows = [
            BufferLoad(data, [ramp(start + row * pool.w + first)]) for row in range(pool.kernel[0])
        ]
        vectors.append(reduce(_maximum, rows))
    taps = []
    for tap in range(pool.kernel[1]):
        places = [tap + lane * pool.stride[1] for lane in range(LANES)]
        taps.append(tirx.Shuffle(vectors, [_lane(firsts, place) for place in places]))
    return reduce(_maximum, taps)


def _lane(firsts: list[int], column: int) -> int:
    """Where `column` lies in the vectors that begin at `firsts`, laid end to end."""
    for vector, first in enumerate(firsts):
        if first <= column < first + LANES:
            return vector * LANES + column - first
    raise AssertionError(f"column {column} is in none of the vectors {firsts}")


def _maximum(a, b):
    """One instruction on ARM; a NaN in a window makes its maximum NaN."""
    return tirx.call_llvm_pure_intrin("float32x4", "llvm.maximum.v4f32", a, b)
