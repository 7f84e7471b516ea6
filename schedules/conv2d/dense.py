"""`dense_pack`: a fully connected layer, or a 1x1 convolution of one pixel.

Every weight is used once an input row, so the weights' way from memory is what takes the time: they
are packed as tiles of MR outputs, K rows of MR, and each core reads its tiles from the first byte
to the last. `streams` cuts a tile's K axis into parts that are read side by side, because a
hardware prefetcher looks only so far ahead of each stream and stops at the end of a page;
`prefetch` asks for lines ahead of that. The packing is that of TOPI's `dense_pack` (TVM until 0.19,
`topi/x86/dense.py`).
"""

from __future__ import annotations

import math

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, LINE, ramp, splat, zero
from ..registry import schedule
from ..workload import Conv2dWorkload
from .facts import CORES
from .packed import PackedConv2d

_ACCUMULATORS = {"armv7": 8, "aarch64": 16}  # vectors; the rest hold inputs and weights


@schedule("dense_pack", version=1)
class DensePack(PackedConv2d):
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        one_pixel = (workload.h, workload.w) == (1, 1) and workload.is_pointwise
        return one_pixel and workload.groups == 1 and workload.dtype == "float32"

    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        def allowed(config: Config) -> bool:
            mr, rows, streams = (int(config[name]) for name in ("mr", "rows", "streams"))
            return (
                rows * mr // LANES <= _ACCUMULATORS[core.isa]
                and rows <= workload.n
                and (mr <= workload.co or mr == 8)
                and (streams == 1 or streams * LANES <= workload.k)
            )

        return KnobSpace(
            {
                "mr": (8, 16, 32),
                "rows": (1, 2, 4),
                "streams": (1, 2, 4),
                "prefetch": (0, 2, 4, 8),
            },
            allowed,
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        rows = max(rows for rows in (1, 2, 4) if rows <= workload.n)
        # A prefetcher that looks three lines ahead, as the Cortex-A17's, hides memory's latency
        # only over two streams (measured, as the distance, on the emulated boards).
        few_lines_ahead = (core.isa, core.pipeline) == ("armv7", "out-of-order")
        streams, prefetch = (2, 2) if few_lines_ahead and workload.k >= 2 * LANES else (1, 4)
        return {"mr": 8, "rows": rows, "streams": streams, "prefetch": prefetch}

    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        return 1.0

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        mr, rows = int(config["mr"]), int(config["rows"])
        tiles = -(-workload.co // mr)
        return {
            "log2_mr": math.log2(mr),
            "log2_nr": math.log2(rows),
            "log2_block": math.log2(int(config["streams"])),
            "waste": tiles * mr / workload.co,
            "log2_weight_tile_bytes": math.log2(4 * workload.k * mr),
            "imbalance": -(-tiles // CORES) * CORES / tiles,
            "weight_passes": float(-(-workload.n // rows)),
        }

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        e, workload = conv.e, conv.workload
        mr, rows = int(config["mr"]), int(config["rows"])
        with e.loop(-(-workload.co // mr), "tile", ForKind.PARALLEL) as tile:
            with e.loop(-(-workload.n // rows), "batch") as batch:
                first = e.bind("first", tirx.min(batch * rows, workload.n - rows))
                sums = e.registers("sums", rows * mr)
                for i in range(0, rows * mr, LANES):
                    e.store(sums, ramp(i), splat(zero()))
                _Product(conv, config, tile, first, sums).emit()
                for row in range(rows):
                    _store(conv, first + row, tile, sums, row, mr)


class _Product:
    """`sums[row, j] = sum over k of data[first + row, k] * weight[tile, k, j]`."""

    def __init__(self, conv: Convolution, config: Config, tile, first, sums) -> None:
        self._conv, self._sums, self._first = conv, sums, first
        self._mr, self._rows = int(config["mr"]), int(config["rows"])
        self._streams, self._ahead = int(config["streams"]), int(config["prefetch"])
        self._tile = conv.e.bind("weights", tile * (conv.workload.k * self._mr))

    def emit(self) -> None:
        k = self._conv.workload.k
        part = k // self._streams // LANES * LANES  # of the sum that each stream adds up
        with self._conv.e.loop(part // LANES, "step") as step:
            for stream in range(self._streams):
                self._add(step * LANES + stream * part, LANES)
        done = part * self._streams
        for at in range(done, k, LANES):
            self._add(at, min(LANES, k - at))

    def _add(self, k, count: int) -> None:
        """Adds `count` products, at most four, from index `k` of the sum on."""
        e, width = self._conv.e, self._mr
        weights = e.bind("at", self._tile + k * width)
        for line in range(0, count * width, LINE) if self._ahead else ():
            e.prefetch(self._conv.weight, weights + line + self._ahead * LINE)
        inputs = [self._inputs(row, k, count) for row in range(self._rows)]
        for i in range(count):
            for j in range(0, width, LANES):
                vector = BufferLoad(self._conv.weight, [ramp(weights + i * width + j)])
                for row in range(self._rows):
                    at = ramp(row * width + j)
                    total = BufferLoad(self._sums, [at]) + vector * inputs[row][i]
                    e.store(self._sums, at, total)

    def _inputs(self, row: int, k, count: int) -> list:
        """`count` inputs of one row, each in all lanes of a vector."""
        at = (self._first + row) * self._conv.workload.k + k
        if count < LANES:
            return [splat(BufferLoad(self._conv.data, [at + i])) for i in range(count)]
        quad = BufferLoad(self._conv.data, [ramp(at)])
        return [splat(tirx.Shuffle([quad], [i])) for i in range(LANES)]


def _store(conv: Convolution, image, tile, sums, row: int, mr: int) -> None:
    """Stores the outputs of one tile; those beyond the last channel are left out."""
    co = conv.workload.co
    whole, rest = divmod(co, mr)
    if not rest:
        conv.store_channels(image, tile * mr, sums, row * mr, mr)
        return
    with conv.e.when(tile < whole):
        conv.store_channels(image, tile * mr, sums, row * mr, mr)
    with conv.e.when(tile == whole):
        conv.store_channels(image, tirx.const(whole * mr, "int32"), sums, row * mr, rest)
