"""`conv2d_winograd`: minimal filtering, F(m x m, 3 x 3), for 3x3 convolutions of stride 1.

After Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015): a tile of m x m
outputs costs (m + 2)^2 multiplications a channel pair instead of 9 m^2, so F(2,3) saves 2.25x and
F(4,3) 4x of the products, at the price of transforming input tiles and sums. Weights are
transformed and packed at compile time. The products are (m + 2)^2 independent matrix products over
the same register-tiled micro-kernels as everything else; lanes are tiles, so a transform works on
four tiles at once. Tiles at the right and lower edge overlap their neighbours instead of reaching
beyond the map.
"""

from __future__ import annotations

import numpy as np
from tvm import te, tirx

from .. import hardware
from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution, annotated
from ..lowering.emit import LANES
from ..microkernels import tile_cost, tiles
from ..registry import Schedule, schedule
from ..workload import Conv2dWorkload
from .facts import CORES, NestShape
from .padding import pad_compute, padded_plane
from .transforms import TRANSFORMS, table
from .winograd_nest import WinogradNest, tile_count, tile_grid

# One core alone reads about so much; the boards differ by less than the rule needs to know.
_MEMORY_BYTES_PER_CYCLE = 0.8
# Of transformed tiles, beside weights and products in an L2 of 512 KiB or more.
_BLOCK_BYTES = 256 * 1024


@schedule("conv2d_winograd", version=3)
class Conv2dWinograd(Schedule):
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        return (
            (workload.kh, workload.kw, *workload.stride, *workload.dilation) == (3, 3, 1, 1, 1, 1)
            and workload.groups == 1
            and workload.dtype == "float32"
            and min(workload.oh, workload.ow) >= 2
            and workload.ci >= 4
        )

    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        def allowed(config: Config) -> bool:
            m, mr, nr = int(config["m"]), int(config["mr"]), int(config["nr"])
            block = int(config["block"])
            return (
                (mr, nr) in tiles(core)
                and (mr <= workload.co or mr == 4)
                and (nr <= tile_count(workload, m) or nr == 4)
                and m <= min(workload.oh, workload.ow)
                and (block == 1 or block // 2 < -(-tile_count(workload, m) // nr))
            )

        return KnobSpace(
            {
                "m": (2, 4),
                "mr": (4, 6, 8, 12),
                "nr": (4, 8, 12, 16),
                "block": (1, 2, 4, 8, 16),
                "share": ("pixels", "channels"),
            },
            allowed,
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        return self.starts(workload, core)[0]

    def starts(self, workload: Conv2dWorkload, core: Core) -> list[Config]:
        """The hand-picked config of each m: what they ask of memory differs most."""
        l2_bytes = hardware.board(core.usual_board).l2_bytes

        def streams(config: Config) -> bool:
            """Whether most weights come from memory in each pass over them."""
            return weight_bytes(config) > 8 * l2_bytes

        def weight_bytes(config: Config) -> int:
            return 4 * (int(config["m"]) + 2) ** 2 * workload.ci * workload.co

        def cost(config: Config) -> float:
            """Cycles of one core: products, idle lanes and rows counted, or reading the weights.

            The cores share tiles of rows. Where all of them wait for memory, an idle one does no
            harm, and an in-order one gains from tiles that leave it time to prefetch.
            """
            m, mr, nr = int(config["m"]), int(config["mr"]), int(config["nr"])
            in_order = core.pipeline == "in-order"
            together = mr if in_order and streams(config) else mr * CORES
            rows = -(-workload.co // together) * together
            columns = -(-tile_count(workload, m) // nr) * nr
            products = (m + 2) ** 2 * rows * columns * workload.ci / LANES
            busy = products * tile_cost(core, mr, nr)
            return max(busy, weight_bytes(config) / _MEMORY_BYTES_PER_CYCLE)

        def misfit(config: Config) -> int:
            """0 if a block stays in the caches, 1 if only what one place reads of it, else 2.

            In L2 it stays beside the weights that all its places are multiplied with; in L1 what
            the products at one place read of it. Weights that come from memory once a block are
            worth all of L1: what it cannot hold is prefetched from L2.
            """
            places, row = (int(config["m"]) + 2) ** 2, 4 * workload.ci
            groups = -(-tile_count(workload, int(config["m"])) // int(config["nr"]))
            block = min(int(config["block"]), groups)
            at_one_place = row * int(config["nr"]) * block
            if streams(config):
                in_l2 = places * (at_one_place + row * int(config["mr"])) <= l2_bytes
                in_l1 = at_one_place <= core.l1d_bytes
                return 0 if in_l1 and in_l2 else 2 - in_l1
            fits = at_one_place <= core.l1d_bytes // 4 and places * at_one_place <= _BLOCK_BYTES
            return 0 if block == 1 or fits else 2

        def rank(config: Config) -> tuple:
            shares_channels, block = config["share"] == "channels", int(config["block"])
            return (cost(config), not shares_channels, misfit(config), -block, str(config))

        ranked = sorted(self.space(workload, core), key=rank)
        return [
            next(c for c in ranked if c["m"] == m) for m in dict.fromkeys(c["m"] for c in ranked)
        ]

    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        return 0.95 if min(workload.oh, workload.ow) >= 4 and workload.ci >= 16 else 0.4

    def error_growth(self, config: Config) -> float:
        """The transforms' coefficients grow intermediate values.

        Measured on random data: 2 and 20 times the error of a direct sum; `tests/test_errors.py`
        holds every schedule to a quarter of the bound that follows.
        """
        return {2: 2.0, 4: 16.0}[int(config["m"])]

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        m, nr = int(config["m"]), int(config["nr"])
        count = -(-tile_count(workload, m) // nr)
        nest = NestShape(
            mr=int(config["mr"]),
            nr=nr,
            pixel_tiles=count,
            covered=count * nr * m * m,
            block=int(config["block"]),
            over_channels=config["share"] == "channels",
            packed=True,
            rows_a_tile=m,
        ).features(workload, core)
        return {**nest, "winograd_m": float(m)}

    def packed_shape(self, workload: Conv2dWorkload, config: Config) -> tuple[int, int, int]:
        """(tiles of channels times 36 or 16 places, CI, MR).

        Places of one tile of channels are consecutive: read one after the other, they would else
        lie a power of two apart and fall into the same sets of the caches.
        """
        places, mr = (int(config["m"]) + 2) ** 2, int(config["mr"])
        return (places * -(-workload.co // mr), workload.ci, mr)

    def pack(self, weight: np.ndarray, workload: Conv2dWorkload, config: Config) -> np.ndarray:
        g = TRANSFORMS[int(config["m"])].g
        mr = int(config["mr"])
        channel_tiles = -(-workload.co // mr)
        # In float64: the transform is done once and should not add to the error.
        moved = np.einsum("ir,ocrs,js->ijoc", g, weight.astype(np.float64), g)
        padded = np.zeros((*moved.shape[:2], channel_tiles * mr, workload.ci))
        padded[:, :, : workload.co] = moved
        by_tile = padded.reshape(-1, channel_tiles, mr, workload.ci).transpose(1, 0, 3, 2)
        shape = self.packed_shape(workload, config)
        return np.ascontiguousarray(by_tile.reshape(shape).astype(np.float32))

    def pack_compute(self, weight: te.Tensor, workload: Conv2dWorkload, config: Config):
        g = TRANSFORMS[int(config["m"])].g
        size, mr = g.shape[0], int(config["mr"])
        r, s = te.reduce_axis((0, 3), name="r"), te.reduce_axis((0, 3), name="s")

        def element(at, k, row):
            place, channel = at % (size * size), at // (size * size) * mr + row
            value = tirx.if_then_else(
                channel < workload.co,
                weight[tirx.min(channel, workload.co - 1), k, r, s],
                tirx.const(0.0, weight.dtype),
            )
            factor = table(g, place // size, r) * table(g, place % size, s)
            return te.sum(factor * value, axis=[r, s])

        return te.compute(self.packed_shape(workload, config), element, name="pack_weight")

    def compute(
        self, data: te.Tensor, weight: te.Tensor, workload: Conv2dWorkload, config: Config
    ) -> te.Tensor:
        m, mr = int(config["m"]), int(config["mr"])
        bt, at = TRANSFORMS[m].bt, TRANSFORMS[m].at
        size = m + 2
        rows, columns = tile_grid(workload, m)
        padded = pad_compute(data, workload)
        height, width = padded_plane(workload)
        r, s = te.reduce_axis((0, size), name="r"), te.reduce_axis((0, size), name="s")

        def moved_input(place, n, k, y, x):
            row, column = tirx.min(y * m, height - size), tirx.min(x * m, width - size)
            factor = table(bt, place // size, r) * table(bt, place % size, s)
            return te.sum(factor * padded[n, k, row + r, column + s], axis=[r, s])

        shape = (size * size, workload.n, workload.ci, rows, columns)
        moved = te.compute(shape, moved_input, name="input_transform")
        k = te.reduce_axis((0, workload.ci), name="k")

        def product(place, n, c, y, x):
            packed = weight[c // mr * (size * size) + place, k, c % mr]
            return te.sum(packed * moved[place, n, k, y, x], axis=k)

        shape = (size * size, workload.n, workload.co, rows, columns)
        products = te.compute(shape, product, name="products")
        i, j = te.reduce_axis((0, size), name="i"), te.reduce_axis((0, size), name="j")

        def output(n, c, y, x):
            row, column = tirx.min(y // m, rows - 1), tirx.min(x // m, columns - 1)
            # In an overlapped tile a pixel's place counts from where the tile begins.
            down = y - tirx.min(row * m, workload.oh - m)
            right = x - tirx.min(column * m, workload.ow - m)
            factor = table(at, down, i) * table(at, right, j)
            return te.sum(factor * products[i * size + j, n, c, row, column], axis=[i, j])

        return annotated(output, workload, self.name, config)

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        nest = WinogradNest(conv, core, config)
        if config["share"] == "channels":
            nest.emit_over_channels()
        else:
            nest.emit_over_pixels()
