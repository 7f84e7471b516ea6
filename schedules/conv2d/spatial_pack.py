"""`conv2d_nchw_spatial_pack`: direct convolution over VH x VW rectangles of output pixels.

The schedule that TVM's `topi.arm_cpu` was known for (spatial packing of the input), with two
changes: tile sizes need not divide the map, because the last rectangle overlaps the one before,
and the sum runs over one flat K axis so that a register-tiled micro-kernel serves every kernel
size. Rows of a rectangle are copied and stored as vectors, which suits wide maps and first layers.
"""

from __future__ import annotations

from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution
from ..microkernels import kernel, tile_cost, tiles
from ..registry import schedule
from ..workload import Conv2dWorkload
from .facts import NestShape
from .loopnest import Nest
from .packed import PackedConv2d
from .pixels import RectTiling


@schedule("conv2d_nchw_spatial_pack", version=1)
class Conv2dSpatialPack(PackedConv2d):
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        return workload.groups == 1 and workload.dtype == "float32" and workload.ow >= 4

    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        def allowed(config: Config) -> bool:
            mr, vh, vw = int(config["mr"]), int(config["vh"]), int(config["vw"])
            columns = -(-workload.ow // vw)
            return (
                (mr, vh * vw) in tiles(core)
                and (mr <= workload.co or mr == 4)
                and vh <= workload.oh
                and vw <= workload.ow
                and (config["block"] == "tile" or columns > 1)
            )

        return KnobSpace(
            {
                "mr": (4, 6, 8, 12),
                "vh": (1, 2, 4),
                "vw": (4, 8, 12, 16),
                "block": ("tile", "row"),
            },
            allowed,
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        def score(config: Config) -> tuple:
            mr, vh, vw = int(config["mr"]), int(config["vh"]), int(config["vw"])
            covered = -(-workload.oh // vh) * vh * -(-workload.ow // vw) * vw
            rows = -(-workload.co // mr) * mr
            waste = covered * rows / (workload.pixels * workload.co)
            cycles = waste * tile_cost(core, mr, vh * vw)
            return (cycles, config["block"] != "tile", vh)

        return min(self.space(workload, core), key=score)

    def register_tile(self, config: Config) -> tuple[int, int]:
        return int(config["mr"]), int(config["vh"]) * int(config["vw"])

    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        return 0.6

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        vh, vw = int(config["vh"]), int(config["vw"])
        tiling = RectTiling(workload, vh, vw)
        return NestShape(
            mr=int(config["mr"]),
            nr=vh * vw,
            pixel_tiles=tiling.count,
            covered=tiling.count * vh * vw,
            block=1 if config["block"] == "tile" else tiling.columns,
            over_channels=False,
            packed=True,
            rows_a_tile=vh,
        ).features(workload, core)

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        vh, vw = int(config["vh"]), int(config["vw"])
        tiling = RectTiling(conv.workload, vh, vw)
        block = 1 if config["block"] == "tile" else tiling.columns
        Nest(conv, kernel(core, int(config["mr"]), vh * vw), tiling, block).emit_over_pixels()
