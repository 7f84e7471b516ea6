"""`conv2d_gemm_streamed`: `conv2d_gemm` for outputs that no cache holds.

The same matrix product, cores sharing the pixels, but its results are written as long runs of whole
lines (see `row_stage`). It pays where cores wait for the memory bus: on several threads, with so
few input channels that an output takes longer to write than to compute.
"""

from __future__ import annotations

from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution
from ..microkernels import kernel, tile_cost, tiles
from ..registry import schedule
from ..workload import Conv2dWorkload
from .facts import CORES, LARGE_OUTPUT, NestShape
from .loopnest import Nest
from .packed import PackedConv2d
from .pixels import FlatTiling

_LARGE_MAP = 1024  # pixels
_LEAST_RUN = 64  # pixels: four lines, of which a core reads three before it knows
_READ_OF_RUN = 48  # pixels: the three lines of a run that are read


@schedule("conv2d_gemm_streamed", version=1)
class Conv2dGemmStreamed(PackedConv2d):
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        is_plain = workload.groups == 1 and workload.dtype == "float32"
        is_large = 4 * workload.n * workload.co * workload.pixels >= LARGE_OUTPUT
        return is_plain and is_large and workload.pixels >= _LARGE_MAP

    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        there_are = tiles(core)

        def allowed(config: Config) -> bool:
            mr, nr, block = int(config["mr"]), int(config["nr"]), int(config["block"])
            return (
                (mr, nr) in there_are
                and (mr <= workload.co or mr == 4)
                and _LEAST_RUN <= block * nr <= workload.pixels
                # What is gathered stays in half of L1.
                and 8 * mr * nr * block <= core.l1d_bytes
                and (config["panel"] == "packed" or workload.is_pointwise)
            )

        return KnobSpace(
            {
                "mr": (4, 6, 8, 12),
                "nr": (4, 8, 12, 16),
                "block": (8, 16, 32, 64),
                "panel": ("packed", "in_place"),
            },
            allowed,
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        def cost(config: Config) -> tuple:
            """Cycles of the inner loops of the core with the most blocks, and for lines read."""
            mr, nr, block = int(config["mr"]), int(config["nr"]), int(config["block"])
            rows, run = -(-workload.co // mr) * mr, block * nr
            blocks = -(-workload.pixels // run) * workload.n
            idle = -(-blocks // CORES) * CORES / blocks
            cycles = rows * tile_cost(core, mr, nr) * idle * (1 + _READ_OF_RUN / run)
            # The panels need L1, too.
            is_small = 4 * mr * run <= core.l1d_bytes // 4
            return (not is_small, config["panel"] != "packed", cycles)

        return min(self.space(workload, core), key=cost)

    def register_tile(self, config: Config) -> tuple[int, int]:
        return int(config["mr"]), int(config["nr"])

    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        return 0.4  # on one thread it only copies more

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        return NestShape.of_flat_tiles(workload, config).features(workload, core)

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        nr = int(config["nr"])
        Nest(
            conv,
            kernel(core, int(config["mr"]), nr),
            FlatTiling(conv.workload, nr),
            block=int(config["block"]),
            packed=config["panel"] == "packed",
            streamed=True,
        ).emit_over_pixels()
