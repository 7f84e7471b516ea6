"""`depthwise_conv2d`: each channel by itself, input rows reused in registers.

The plane is cut into tiles of VH x VW outputs (see `depthwise_tile`). Every input row under a tile
is loaded once and contributes to each of the up to KH output rows it lies under: the row reuse of
ncnn's and XNNPACK's depthwise kernels, on planar data. The plane is read in place. Tiles that touch
its border are code of their own with zeros where there is nothing to load; those inside are a loop.

With 9 products for each 4 bytes read and 4 written, memory is the bound of large planes, so they
are read and written in the order of addresses: rows one at a time (VH = 1), as wide as registers
allow. Stores in several rows at once would have each line fetched before it is overwritten, which
costs more than loading an input row again from L1. Planes of up to 14 rows are one tile high.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from tvm import te, tirx
from tvm.tirx import BufferLoad, ForKind

from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution, annotated
from ..lowering.emit import LANES, Emitter, ramp
from ..microkernels import is_assembly_replaced
from ..registry import Schedule, schedule
from ..workload import Conv2dWorkload
from .depthwise_tile import LINE, MARGIN, Axis, Tile, live_rows, vector_starts
from .facts import CORES
from .padding import pad_compute

_REGISTERS = {"armv7": 16, "aarch64": 32}
_WIDTHS = (4, 8, 12, 16, 20, 28, 56)
_HEIGHTS = (1, 2, 4, 7, 14)
# Output rows: from here on a plane is computed band by band, on in-order cores and on all.
_LOWEST_IN_BANDS, _LOWEST_LARGE_PLANE = 8, 15
_ROW_AHEAD = 56  # input pixels of one row that a hand-picked tile spans


@schedule("depthwise_conv2d", version=2)
class DepthwiseConv2d(Schedule):
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        return workload.is_depthwise and workload.dtype == "float32" and workload.ow >= LANES

    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        def allowed(config: Config) -> bool:
            vh, vw = int(config["vh"]), int(config["vw"])
            if vh > workload.oh or vw > workload.ow:
                return False
            sums = min(vh, live_rows(workload)) * len(vector_starts(vw))
            pixels = 4
            needed = sums + _weight_vectors(workload) + pixels
            return vw == LANES or needed <= _REGISTERS[core.isa]

        def sizes(listed: tuple[int, ...], whole: int) -> tuple[int, ...]:
            return tuple(sorted({*listed, whole} if whole <= max(_HEIGHTS) else listed))

        return KnobSpace(
            {"vh": sizes(_HEIGHTS, workload.oh), "vw": sizes(_WIDTHS, workload.ow)}, allowed
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        heights = _heights(workload, core)
        widest = max(_ROW_AHEAD // workload.stride[1], LANES)

        def cost(config: Config) -> float:
            """Cycles of products, loads and shuffles in a plane, all with data in L1."""
            vh, vw = int(config["vh"]), int(config["vw"])
            vectors, stride = len(vector_starts(vw)), workload.stride[1]
            products = vh * vectors * workload.k
            loads = 2 * (stride * vectors + 2) + vectors * (workload.kw - 1)
            input_rows = (vh - 1) * workload.stride[0] + workload.kh
            tiles = -(-workload.oh // vh) * -(-workload.ow // vw)
            return tiles * (products + loads * input_rows)

        return min(
            (
                config
                for config in self.space(workload, core)
                if config["vh"] in heights and int(config["vw"]) <= widest
            ),
            key=lambda config: (cost(config), str(config)),
        )

    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        return 1.0

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        vh, vw = int(config["vh"]), int(config["vw"])
        rows, columns = -(-workload.oh // vh) * vh, -(-workload.ow // vw) * vw
        planes = workload.n * workload.ci
        return {
            "log2_mr": float(np.log2(vh)),
            "log2_nr": float(np.log2(vw)),
            "rows_a_tile": float(vh),
            "waste": rows * columns / workload.pixels,
            "imbalance": -(-planes // CORES) * CORES / planes,
        }

    def packed_shape(self, workload: Conv2dWorkload, config: Config) -> tuple[int, int, int]:
        return (workload.co, 1, _weight_vectors(workload) * LANES)

    def pack(self, weight: np.ndarray, workload: Conv2dWorkload, config: Config) -> np.ndarray:
        packed = np.zeros(self.packed_shape(workload, config), weight.dtype)
        packed[:, 0, : workload.kh * workload.kw] = weight.reshape(workload.co, -1)
        return packed

    def pack_compute(self, weight: te.Tensor, workload: Conv2dWorkload, config: Config):
        shape = self.packed_shape(workload, config)
        kw, taps = workload.kw, workload.kh * workload.kw

        def value(c, _, tap):
            inside = weight[c, 0, tirx.min(tap, taps - 1) // kw, tap % kw]
            return tirx.if_then_else(tap < taps, inside, tirx.const(0.0, weight.dtype))

        return te.compute(shape, value, name="pack_weight")

    def compute(
        self, data: te.Tensor, weight: te.Tensor, workload: Conv2dWorkload, config: Config
    ) -> te.Tensor:
        padded = pad_compute(data, workload)
        kh = te.reduce_axis((0, workload.kh), name="kh")
        kw = te.reduce_axis((0, workload.kw), name="kw")

        def output(n, c, y, x):
            row = y * workload.stride[0] + kh * workload.dilation[0]
            column = x * workload.stride[1] + kw * workload.dilation[1]
            tap = weight[c, 0, kh * workload.kw + kw]
            return te.sum(padded[n, c, row, column] * tap, axis=[kh, kw])

        return annotated(output, workload, self.name, config)

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        e, workload = conv.e, conv.workload
        rows, columns = _axes(workload, config)
        vectors = _weight_vectors(workload)
        by_lane = core.isa == "armv7" and not is_assembly_replaced()
        with e.loop(workload.n * workload.ci, "index", ForKind.PARALLEL) as index:
            image = e.bind("image", tirx.floordiv(index, workload.ci))
            channel = e.bind("channel", tirx.floormod(index, workload.ci))
            start = e.bind("start", index * (workload.h * workload.w))
            weights = [
                e.bind_vector(
                    "weights", BufferLoad(conv.weight, [ramp((channel * vectors + i) * LANES)])
                )
                for i in range(vectors)
            ]
            tile = Tile(conv, rows, columns, weights, by_lane)
            # While one band of tiles is computed, the next one's lines are on their way to L1. Of
            # the rows that a band of stride 2 reads anew, the first is fetched a band earlier.
            band = min(rows.tile * rows.stride, workload.h) * workload.w
            share = band // columns.count
            further = (rows.stride - 1) * workload.w if rows.count > 1 else 0
            for y, row in _each(e, rows, 0, "tile_row"):
                for x, column in _each(e, columns, MARGIN, "tile_column"):
                    ahead = start + (row + 1) * band + column * share + further
                    tile.emit(image, channel, start, y, x, (ahead, -(-share // LINE)))


def _heights(workload: Conv2dWorkload, core: Core) -> set[int]:
    """How high hand-picked tiles may be.

    While a band of tiles is computed the next one is fetched. A plane in one piece loads each row
    once, but an in-order core waits for the whole of it. On the smallest planes that is little.
    """
    if workload.oh >= _LOWEST_LARGE_PLANE:
        return {1}
    if workload.oh >= _LOWEST_IN_BANDS and core.pipeline == "in-order":
        return {2} if workload.stride[0] == 1 else {1}
    return {1, workload.oh}


def _weight_vectors(workload: Conv2dWorkload) -> int:
    return -(-workload.kh * workload.kw // LANES)


def _axes(workload: Conv2dWorkload, config: Config) -> tuple[Axis, Axis]:
    top, left, _, _ = workload.padding
    reach = [
        (k - 1) * d for k, d in zip((workload.kh, workload.kw), workload.dilation, strict=True)
    ]
    rows = Axis(workload.oh, int(config["vh"]), workload.h, workload.stride[0], top, reach[0])
    columns = Axis(workload.ow, int(config["vw"]), workload.w, workload.stride[1], left, reach[1])
    return rows, columns


def _each(e: Emitter, axis: Axis, margin: int, name: str) -> Iterator[tuple]:
    """(first output, number) of each tile: numbers at the border, variables of a loop inside."""
    inner = axis.inner(margin)
    for i in range(inner.start):
        yield axis.origin(i), i
    if inner:
        with e.loop(len(inner), name) as turn:
            number = e.bind(name, turn + inner.start)
            yield e.bind("origin", number * axis.tile), number
    for i in range(inner.stop, axis.count):
        yield axis.origin(i), i
