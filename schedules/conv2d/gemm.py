"""`conv2d_gemm`: the convolution as one matrix product over flattened pixels.

C[CO, OH * OW] = W[CO, K] * im2col(X)[K, OH * OW]. Because the pixels of the whole map form one
axis, a map of 13x13 (169 pixels) or 27x27 (729) wastes at most one partial tile, however odd its
width; that is what deep, small maps want. 1x1 convolutions need no im2col and may be read in place.
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
from .pixels import FlatTiling


@schedule("conv2d_gemm", version=1)
class Conv2dGemm(PackedConv2d):
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        return workload.groups == 1 and workload.dtype == "float32"

    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        def allowed(config: Config) -> bool:
            mr, nr, block = int(config["mr"]), int(config["nr"]), int(config["block"])
            pixel_tiles = -(-workload.pixels // nr)
            return (
                (mr, nr) in tiles(core)
                and (mr <= workload.co or mr == 4)
                and (nr <= workload.pixels or nr == 4)
                and (block == 1 or block <= pixel_tiles)
                # Sharing the channels packs the whole image at once: the block is the image.
                and (config["share"] == "pixels" or block == 1)
                and (config["panel"] == "packed" or workload.is_pointwise)
                # A tile that is read in place must not reach beyond the plane.
                and (config["panel"] == "packed" or nr <= workload.pixels)
            )

        return KnobSpace(
            {
                "mr": (4, 6, 8, 12),
                "nr": (4, 8, 12, 16),
                "block": (1, 2, 4, 8, 16, 32),
                "share": ("pixels", "channels"),
                "panel": ("packed", "in_place"),
            },
            allowed,
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        def cost(tile: tuple[int, int]) -> float:
            """Cycles of the inner loops, work on idle rows and columns included."""
            mr, nr = tile
            rows, columns = -(-workload.co // mr) * mr, -(-workload.pixels // nr) * nr
            waste = rows * columns / (workload.co * workload.pixels)
            return waste * tile_cost(core, mr, nr)

        configs = self.space(workload, core)
        mr, nr = min({(int(c["mr"]), int(c["nr"])) for c in configs}, key=lambda t: (cost(t), t))
        pixel_tiles = -(-workload.pixels // nr)
        # Big weights should cross the memory bus once: share the channels.
        weights_stream = 4 * workload.k * workload.co > core.l1d_bytes * 8
        if weights_stream and pixel_tiles < 64:
            return {"mr": mr, "nr": nr, "block": 1, "share": "channels", "panel": "packed"}
        # Else as many tiles a block as fit beside the weights' tile in half the L1 cache. Where a
        # plane is one run of pixels, long runs are worth having the panels come from L2.
        budget = core.l1d_bytes * 2 if workload.is_pointwise else core.l1d_bytes // 2
        block = 1
        while (
            2 * block <= min(32, pixel_tiles // 8)
            and 4 * workload.k * (2 * block * nr + mr) <= budget
        ):
            block *= 2
        return {"mr": mr, "nr": nr, "block": block, "share": "pixels", "panel": "packed"}

    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        if workload.is_pointwise:
            return 0.9
        return 0.7 if workload.ow < 20 else 0.5

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        nr = int(config["nr"])
        pixel_tiles = -(-workload.pixels // nr)
        return NestShape(
            mr=int(config["mr"]),
            nr=nr,
            pixel_tiles=pixel_tiles,
            covered=pixel_tiles * nr,
            block=int(config["block"]),
            over_channels=config["share"] == "channels",
            packed=config["panel"] == "packed",
            rows_a_tile=0,
        ).features(workload, core)

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        nest = Nest(
            conv,
            kernel(core, int(config["mr"]), int(config["nr"])),
            FlatTiling(conv.workload, int(config["nr"])),
            block=int(config["block"]),
            packed=config["panel"] == "packed",
        )
        if config["share"] == "channels":
            nest.emit_over_channels()
        else:
            nest.emit_over_pixels()
