"""`conv2d_grouped`: groups of channels that do not see each other, each a convolution of its own.

In NCHW the channels of a group lie side by side, so N images of G groups are in memory what N x G
images of CI / G channels are. Each of these is the blocked matrix product of `loopnest`, with the
weights of its group. That takes any number of groups, 2 (AlexNet) as well as 32 (ResNeXt).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from tvm import te, tirx

from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution, annotated
from ..lowering.emit import LANES
from ..microkernels import kernel, tiles
from ..registry import Schedule, schedule
from ..workload import Conv2dWorkload
from .facts import NestShape
from .loopnest import Nest
from .packed import pack_tiles, tap, tiles_shape
from .padding import pad_compute
from .pixels import FlatTiling, PixelTiling, RectTiling

_FMA_CYCLES = 8  # of the in-order cores, from one sum to the next in the same register


def one_group(workload: Conv2dWorkload) -> Conv2dWorkload:
    """The convolution of each group, with the groups as images."""
    return replace(
        workload,
        n=workload.n * workload.groups,
        ci=workload.ci // workload.groups,
        co=workload.co // workload.groups,
        groups=1,
    )


@schedule("conv2d_grouped", version=1)
class Conv2dGrouped(Schedule):
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        # Wherever `depthwise_conv2d` serves it is the better choice: it packs nothing.
        depthwise = workload.is_depthwise and workload.ow >= LANES
        return workload.groups > 1 and not depthwise and workload.dtype == "float32"

    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        group = one_group(workload)

        def allowed(config: Config) -> bool:
            mr, nr, block = int(config["mr"]), int(config["nr"]), int(config["block"])
            return (
                (mr, nr) in tiles(core)
                and (mr <= group.co or mr == 4)
                and (nr <= group.pixels or nr == 4)
                and (block == 1 or block <= _tiling(group, config).count)
                and (config["tile"] == "flat" or nr <= group.ow)
            )

        return KnobSpace(
            {
                "mr": (4, 6, 8, 12),
                "nr": (4, 8, 12, 16),
                "tile": ("flat", "row"),
                "block": (1, 2, 4, 8, 16),
            },
            allowed,
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        group = one_group(workload)

        in_order = core.pipeline == "in-order"
        # Where LLVM sees the kernel, it takes the copies of a single small tile out altogether.
        inlined = (core.isa, core.pipeline) == ("aarch64", "out-of-order")

        def cost(config: Config) -> tuple:
            """Work on idle rows and columns, loads beside it, and the copies into panels."""
            mr, nr, block = int(config["mr"]), int(config["nr"]), int(config["block"])
            rows = -(-group.co // mr) * mr
            waste = rows * _tiling(group, config).count * nr / (group.co * group.pixels)
            # Pixels are copied one by one, but for rows of stride 1: four at a time.
            by_rows = config["tile"] == "row" and group.stride[1] == 1
            copies = (1 if by_rows or group.is_pointwise else 4) / group.co
            # An in-order core waits for the result of a sum where it has too few others to add to.
            waits = max(1.0, _FMA_CYCLES * LANES / (mr * nr)) if in_order else 1.0
            panels = 4 * group.k * (block * nr + mr)
            return (
                panels > core.l1d_bytes // 2 and block > 1,
                waste * ((1 + (mr + nr) / (mr * nr)) * waits + copies),
                block if inlined else -block,
            )

        return min(self.space(workload, core), key=cost)

    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        return 0.5

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        group, nr = one_group(workload), int(config["nr"])
        tiling = _tiling(group, config)
        return NestShape(
            mr=int(config["mr"]),
            nr=nr,
            pixel_tiles=tiling.count,
            covered=tiling.count * nr,
            block=int(config["block"]),
            over_channels=False,
            packed=True,
            rows_a_tile=int(config["tile"] == "row"),
        ).features(group, core)

    def packed_shape(self, workload: Conv2dWorkload, config: Config) -> tuple[int, int, int]:
        """As of `PackedConv2d`, the tiles of one group after the other."""
        count, k, mr = tiles_shape(one_group(workload), int(config["mr"]))
        return (workload.groups * count, k, mr)

    def pack(self, weight: np.ndarray, workload: Conv2dWorkload, config: Config) -> np.ndarray:
        group = one_group(workload)
        parts = np.split(weight, workload.groups)
        return np.concatenate([pack_tiles(part, group, int(config["mr"])) for part in parts])

    def pack_compute(self, weight: te.Tensor, workload: Conv2dWorkload, config: Config):
        group = one_group(workload)
        count, _, mr = tiles_shape(group, int(config["mr"]))

        def element(tile, k, row):
            channel = tile % count * mr + row
            ci, kh, kw = tap(group, k)
            value = weight[tile // count * group.co + channel, ci, kh, kw]
            return tirx.if_then_else(channel < group.co, value, tirx.const(0.0, weight.dtype))

        return te.compute(self.packed_shape(workload, config), element, name="pack_weight")

    def compute(
        self, data: te.Tensor, weight: te.Tensor, workload: Conv2dWorkload, config: Config
    ) -> te.Tensor:
        padded, group = pad_compute(data, workload), one_group(workload)
        count, _, mr = tiles_shape(group, int(config["mr"]))
        k = te.reduce_axis((0, workload.k), name="k")

        def output(n, c, y, x):
            ci, kh, kw = tap(group, k)
            number, channel = c // group.co, c % group.co
            row = y * workload.stride[0] + kh * workload.dilation[0]
            column = x * workload.stride[1] + kw * workload.dilation[1]
            pixel = padded[n, number * group.ci + ci, row, column]
            return te.sum(pixel * weight[number * count + channel // mr, k, channel % mr], axis=k)

        return annotated(output, workload, self.name, config)

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        group = one_group(conv.workload)
        micro_kernel = kernel(core, int(config["mr"]), int(config["nr"]))
        nest = _GroupNest(
            cast(Convolution, _Groups(conv, group)),
            micro_kernel,
            _tiling(group, config),
            block=int(config["block"]),
            groups=conv.workload.groups,
        )
        nest.emit_over_pixels()


def _tiling(group: Conv2dWorkload, config: Config) -> PixelTiling:
    nr = int(config["nr"])
    return RectTiling(group, 1, nr) if config["tile"] == "row" else FlatTiling(group, nr)


@dataclass(frozen=True)
class _Groups:
    """A grouped convolution, written as one of `workload` with the groups as images."""

    conv: Convolution
    workload: Conv2dWorkload

    def __getattr__(self, name: str):
        return getattr(self.conv, name)

    def store_row(self, image, channel, *pixels) -> None:
        self.conv.store_row(*self._place(image, channel), *pixels)

    def take_bias(self, image, channel):
        return self.conv.take_bias(*self._place(image, channel))

    def output_index(self, image, channel, offset):
        image, channel = self._place(image, channel)
        return self.conv.output_index(image, channel, offset)

    def _place(self, image, channel):
        """Image and channel of the convolution as it is."""
        groups = self.conv.workload.groups
        first = tirx.floormod(image, groups) * self.workload.co
        return tirx.floordiv(image, groups), first + channel


@dataclass(frozen=True)
class _GroupNest(Nest):
    groups: int = 1

    def weight_tile(self, image, channel_tile):
        return tirx.floormod(image, self.groups) * self.channel_tiles + channel_tile
