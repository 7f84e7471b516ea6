"""`conv2d_gemm`: the convolution as one matrix product over flattened pixels.

C[CO, OH * OW] = W[CO, K] * im2col(X)[K, OH * OW]. Because the pixels of the whole map form one
axis, a map of 13x13 (169 pixels) or 27x27 (729) wastes at most one partial tile, however odd its
width; that is what deep, small maps want. 1x1 convolutions need no im2col and may be read in place.
"""

from __future__ import annotations

from dataclasses import replace

from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution
from ..lowering.emit import LANES
from ..microkernels import hides_l2, kernel, tile_cost, tiles
from ..microkernels.base import MicroKernel
from ..microkernels.column import ColumnKernel
from ..registry import schedule
from ..workload import Conv2dWorkload
from .averaged import MapMeans
from .by_rows import block_for_rows
from .facts import CORES, NestShape
from .loopnest import Nest
from .packed import PackedConv2d
from .pixels import FlatTiling, LastTile, WholeTiles

_TAIL = 4  # pixels of the narrower tile that may end a map
_SMALL_MAP = 512  # pixels
_PART_K = 576  # of tiles that L1 holds for the most part: 8 x 12 x 576 are 45 KiB
_HALF_L2 = 256 << 10  # bytes, of the smallest L2 caches
_BLOCKS = (1, 2, 4, 8, 16, 32)


@schedule("conv2d_gemm", version=3)
class Conv2dGemm(PackedConv2d):
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        return workload.groups == 1 and workload.dtype == "float32"

    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        there_are, is_small = tiles(core), workload.pixels < _SMALL_MAP

        def allowed(config: Config) -> bool:
            mr, nr, block = int(config["mr"]), int(config["nr"]), int(config["block"])
            pixel_tiles = -(-workload.pixels // nr)
            return (
                (mr, nr) in there_are
                and (mr <= workload.co or mr == 4)
                and (nr <= workload.pixels or nr == 4)
                and (block == 1 or block <= pixel_tiles)
                # Sharing the channels packs the whole image at once: the block is the image.
                and (config["share"] == "pixels" or block == 1)
                and (config["panel"] == "packed" or workload.is_pointwise)
                # A tile that is read in place must not reach beyond the plane.
                and (config["panel"] == "packed" or nr <= workload.pixels)
                and workload.ci % int(config["parts"]) == 0
                and (config["parts"] == 1 or workload.k >= 256 * int(config["parts"]))
                and (config["tail"] == 0 or has_tail(mr, nr))
                # One tile in dozens gains nothing.
                and (config["tail"] == 0 or config["share"] == "channels" or is_small)
            )

        def has_tail(mr: int, nr: int) -> bool:
            left = workload.pixels % nr
            return nr < workload.pixels and 0 < left <= _TAIL < nr and (mr, _TAIL) in there_are

        return KnobSpace(
            {
                "mr": (4, 6, 8, 12),
                "nr": (4, 8, 12, 16),
                "block": _BLOCKS,
                "share": ("pixels", "channels"),
                "panel": ("packed", "in_place"),
                "parts": (1, 2, 4, 8, 16),
                "tail": (0, _TAIL),
            },
            allowed,
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        return self._pick(workload, core, alone=False)

    def default_for_one(self, workload: Conv2dWorkload, core: Core) -> Config:
        return self._pick(workload, core, alone=True)

    def _pick(self, workload: Conv2dWorkload, core: Core, alone: bool) -> Config:
        shares_channels = self._shares_channels(workload, core)
        space = self.space(workload, core)

        def config(mr: int, nr: int) -> Config:
            tile: Config = {"mr": mr, "nr": nr, "panel": "packed"}
            if shares_channels:
                parts = self._parts(workload)
                whole = {**tile, "block": 1, "share": "channels", "parts": parts, "tail": 0}
            else:
                block = self._block(workload, core, mr, nr, alone)
                whole = {**tile, "block": block, "share": "pixels", "parts": 1, "tail": 0}
            with_tail = {**whole, "tail": _TAIL}
            return with_tail if with_tail in space else whole

        def cost(tile: tuple[int, int]) -> float:
            """Cycles of the inner loops, work on idle rows and columns included."""
            mr, nr = tile
            rows = -(-workload.co // mr) * mr
            if tail := int(config(mr, nr)["tail"]):
                whole, last = workload.pixels // nr * nr, _last_kernel(workload, core, mr, nr).nr
                # Cycles of a product: a lone pixel's have a load each.
                each = 2.0 if last == 1 else tile_cost(core, mr, tail)
                return rows * (whole * tile_cost(core, mr, nr) + last * each)
            return rows * -(-workload.pixels // nr) * nr * tile_cost(core, mr, nr)

        # Of each tile, what goes with all that another config of it goes with.
        plain = {"block": 1, "share": "pixels", "panel": "packed", "parts": 1, "tail": 0}
        fitting = [(mr, nr) for mr, nr in tiles(core) if {"mr": mr, "nr": nr, **plain} in space]
        return config(*min(fitting, key=lambda tile: (cost(tile), tile)))

    @staticmethod
    def _shares_channels(workload: Conv2dWorkload, core: Core) -> bool:
        """Big weights should cross the memory bus once.

        On larger maps that pays when a pass over the weights leaves nothing in L2. Where all panels
        of a small map stay near, a tail of its own is worth it.
        """
        weights = 4 * workload.k * workload.co
        if _is_strided_pointwise(workload) and weights <= _HALF_L2:
            return False  # each core can pack for itself while its weights stay near
        is_small = workload.pixels < _SMALL_MAP
        if is_small and workload.co >= 128 and 4 * workload.pixels * workload.k <= _HALF_L2 / 2:
            return True
        is_big = weights > (8 if is_small else 16) * core.l1d_bytes
        return workload.pixels < 2 * _SMALL_MAP and is_big

    @staticmethod
    def _parts(workload: Conv2dWorkload) -> int:
        """As few as bring the tiles of a part near L1, if the sums are at home in L2."""
        parts = 1
        if 4 * workload.co * workload.pixels > _HALF_L2:
            return parts
        while workload.k > parts * _PART_K and parts < 16 and workload.ci % (2 * parts) == 0:
            parts *= 2
        return parts

    @staticmethod
    def _block(workload: Conv2dWorkload, core: Core, mr: int, nr: int, alone: bool) -> int:
        """As many tiles as fit beside the weights' tile in half the L1 cache.

        Where a plane is one run of pixels, long runs are worth having the panels come from L2.
        Elsewhere the smallest block that is packed by way of rows is, the more so where the kernel
        does not wait for L2 and there is nobody to share it with, if it leaves work for all cores.
        """
        count = -(-workload.pixels // nr)
        if _is_strided_pointwise(workload):
            return 1  # the next tile's pixels are fetched meanwhile, if they are few
        shared = count if alone else count * workload.n // CORES
        if by_rows := block_for_rows(workload, nr, [n for n in _BLOCKS if n <= min(shared, count)]):
            most_bytes = _HALF_L2 if alone and hides_l2(core, mr, nr) else 2 * core.l1d_bytes
            if 4 * workload.k * by_rows * nr <= most_bytes:
                return by_rows
        budget = core.l1d_bytes * 2 if workload.is_pointwise else core.l1d_bytes // 2
        most, block = min(32, count // 8), 1
        while 2 * block <= most and 4 * workload.k * (2 * block * nr + mr) <= budget:
            block *= 2
        return block

    def register_tile(self, config: Config) -> tuple[int, int]:
        return int(config["mr"]), int(config["nr"])

    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        if (workload.kh, workload.kw) == (1, 1):
            return 0.9
        # First and strided layers, measured: wide tiles pay for their packing. On 32-bit cores they
        # do where rows are packed as vectors; narrow ones read panels of many channels too often.
        strided, is_first = workload.stride != (1, 1), workload.ci <= 4
        if core.isa == "aarch64":
            pays = is_first or strided
        else:
            is_wide = core.pipeline == "out-of-order"
            pays = workload.stride[1] <= 2 and (is_first or (strided and is_wide))
        return 0.7 if workload.ow < 20 or pays else 0.5

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        return NestShape.of_flat_tiles(workload, config).features(workload, core)

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        self._emit(conv, core, config, means=None)

    def emit_means(self, conv: Convolution, core: Core, config: Config) -> None:
        """Writes the means of all maps to `conv.output`, (N, CO, 1, 1).

        `config` has the cores share channels.
        """
        self._emit(conv, core, config, MapMeans(conv, int(config["mr"])))

    def _emit(self, conv: Convolution, core: Core, config: Config, means: MapMeans | None) -> None:
        workload, mr, nr = conv.workload, int(config["mr"]), int(config["nr"])
        nest = Nest(
            conv,
            kernel(core, mr, nr),
            FlatTiling(workload, nr),
            block=int(config["block"]),
            packed=config["panel"] == "packed",
            parts=int(config["parts"]),
            means=means,
        )
        if config["tail"]:
            last = _last_kernel(workload, core, mr, nr)
            narrow = replace(nest, kernel=last, tiling=LastTile(workload, last.nr), block=1)
            nest = replace(nest, tiling=WholeTiles(workload, nr), tail=narrow)
        if config["share"] == "pixels":
            nest.emit_over_pixels()
        else:
            nest.emit_over_channels()


def _is_strided_pointwise(workload: Conv2dWorkload) -> bool:
    return (workload.kh, workload.kw) == (1, 1) and workload.stride != (1, 1)


def _last_kernel(workload: Conv2dWorkload, core: Core, mr: int, nr: int) -> MicroKernel:
    """For what is left of a map behind its tiles of NR."""
    if workload.pixels % nr == 1 and mr % LANES == 0:
        return ColumnKernel(core, mr, 1)
    return kernel(core, mr, _TAIL)
