"""`depthwise_conv2d`: each channel by itself, input rows reused in registers.

A tile of VH x VW output pixels is held in registers; every input row under it is loaded once and
contributes to each of the up to KH output rows it lies under (the row reuse of ncnn's and XNNPACK's
depthwise kernels, on planar data). The channel's plane is first copied into a buffer with its
border, so the loops have no conditions; tiles at the edges overlap instead of reaching beyond.
"""

from __future__ import annotations

import numpy as np
from tvm import te, tirx
from tvm.tirx import BufferLoad, ForKind

from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution, annotated
from ..lowering.emit import LANES, ramp, splat, zero
from ..registry import Schedule, schedule
from ..workload import Conv2dWorkload
from .facts import CORES
from .padding import copy_padded_plane, pad_compute, padded_plane

_ACCUMULATORS = {"armv7": 8, "aarch64": 16}  # vectors; as many again hold pixels and weights


@schedule("depthwise_conv2d", version=1)
class DepthwiseConv2d(Schedule):
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        return workload.is_depthwise and workload.dtype == "float32" and workload.ow >= LANES

    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        def allowed(config: Config) -> bool:
            vh, vw = int(config["vh"]), int(config["vw"])
            return (
                vh <= workload.oh
                and vw <= workload.ow
                and vh * vw // LANES <= _ACCUMULATORS[core.isa]
            )

        return KnobSpace({"vh": (1, 2, 3, 4, 6), "vw": (4, 8, 12, 16, 28)}, allowed)

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        def cost(config: Config) -> float:
            """Vector loads an output, edges counted twice where tiles overlap."""
            vh, vw = int(config["vh"]), int(config["vw"])
            rows, columns = -(-workload.oh // vh) * vh, -(-workload.ow // vw) * vw
            waste = rows * columns / workload.pixels
            input_rows = (vh - 1) * workload.stride[0] + workload.kh
            return waste * (workload.k + input_rows / vh * workload.kw)

        return min(self.space(workload, core), key=lambda config: (cost(config), str(config)))

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
        return (workload.co, workload.kh, workload.kw)

    def pack(self, weight: np.ndarray, workload: Conv2dWorkload, config: Config) -> np.ndarray:
        return np.ascontiguousarray(weight.reshape(self.packed_shape(workload, config)))

    def pack_compute(self, weight: te.Tensor, workload: Conv2dWorkload, config: Config):
        shape = self.packed_shape(workload, config)
        return te.compute(shape, lambda c, kh, kw: weight[c, 0, kh, kw], name="pack_weight")

    def compute(
        self, data: te.Tensor, weight: te.Tensor, workload: Conv2dWorkload, config: Config
    ) -> te.Tensor:
        padded = pad_compute(data, workload)
        kh = te.reduce_axis((0, workload.kh), name="kh")
        kw = te.reduce_axis((0, workload.kw), name="kw")

        def output(n, c, y, x):
            row = y * workload.stride[0] + kh * workload.dilation[0]
            column = x * workload.stride[1] + kw * workload.dilation[1]
            return te.sum(padded[n, c, row, column] * weight[c, kh, kw], axis=[kh, kw])

        return annotated(output, workload, self.name, config)

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        e, workload = conv.e, conv.workload
        vh, vw = int(config["vh"]), int(config["vw"])
        height, width = padded_plane(workload)
        with e.loop(workload.n * workload.ci, "index", ForKind.PARALLEL) as index:
            image = e.bind("image", tirx.floordiv(index, workload.ci))
            channel = e.bind("channel", tirx.floormod(index, workload.ci))
            source, start = conv.data, index * (workload.h * workload.w)
            if any(workload.padding):
                source, start = e.alloc("plane", height * width), 0
                copy_padded_plane(conv, index, source, 0)
            with e.loop(-(-workload.oh // vh), "tile_row") as tile_row:
                y = e.bind("y", tirx.min(tile_row * vh, workload.oh - vh))
                with e.loop(-(-workload.ow // vw), "tile_column") as tile_column:
                    x = e.bind("x", tirx.min(tile_column * vw, workload.ow - vw))
                    sums = e.registers("sums", vh * vw)
                    at = start + y * (workload.stride[0] * width) + x * workload.stride[1]
                    _sum_taps(conv, source, at, channel, sums, vh, vw)
                    for v in range(vh):
                        offset = (y + v) * workload.ow + x
                        conv.store_row(image, channel, offset, sums, v * vw, vw)


def _sum_taps(conv: Convolution, source, at, channel, sums, vh: int, vw: int) -> None:
    """Adds every input row under the tile to the output rows that it lies under."""
    e, workload = conv.e, conv.workload
    width = padded_plane(workload)[1]
    stride, dilation = workload.stride, workload.dilation
    for i in range(0, vh * vw, LANES):
        e.store(sums, ramp(i), splat(zero()))
    for row in range((vh - 1) * stride[0] + (workload.kh - 1) * dilation[0] + 1):
        uses = [
            (v, kh)
            for v in range(vh)
            for kh in range(workload.kh)
            if v * stride[0] + kh * dilation[0] == row
        ]
        for kw in range(workload.kw if uses else 0):
            for x in range(0, vw, LANES):
                place = at + row * width + kw * dilation[1] + x * stride[1]
                pixels = _pixels(source, place, stride[1])
                for v, kh in uses:
                    tap = (channel * workload.kh + kh) * workload.kw + kw
                    weight = splat(BufferLoad(conv.weight, [tap]))
                    total = BufferLoad(sums, [ramp(v * vw + x)]) + pixels * weight
                    e.store(sums, ramp(v * vw + x), total)


def _pixels(source, place, stride: int):
    """Four pixels `stride` apart. Two apart are taken from two vectors, reading nothing beyond."""
    if stride == 1:
        return BufferLoad(source, [ramp(place)])
    if stride == 2:
        # The second vector begins one earlier, so that the last pixel read is the last needed.
        low = BufferLoad(source, [ramp(place)])
        high = BufferLoad(source, [ramp(place + 3)])
        return tirx.Shuffle([low, high], [0, 2, 5, 7])
    lanes = [BufferLoad(source, [place + i * stride]) for i in range(LANES)]
    return tirx.Shuffle(lanes, list(range(LANES)))
