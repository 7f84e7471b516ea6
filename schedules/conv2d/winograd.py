"""`conv2d_winograd`: minimal filtering, F(m x n, 3 x 3), for 3x3 convolutions of stride 1.

After Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015): a tile of m x n
outputs costs (m + 2)(n + 2) multiplications a channel pair instead of 9 m n, so F(2,3) saves 2.25x
of the products, F(2x4, 3x3) 3x and F(4,3) 4x, at the price of transforming input tiles and sums,
and of reading (m + 2)(n + 2) weights instead of 9: where few tiles share them that takes longer
than multiplying them, and a tile of fewer places wins. Weights are transformed and packed at
compile time. The products are (m + 2)(n + 2) independent matrix products over the same
register-tiled micro-kernels as everything else; lanes are tiles, so a transform works on four tiles
at once. Tiles at the right and lower edge overlap their neighbours instead of reaching beyond the
map, or are narrower (`winograd_edges`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from . import winograd_edges
from .facts import CORES, NestShape
from .padding import pad_compute, padded_plane
from .transforms import EDGED, TILES, TRANSFORMS, table
from .winograd_edges import EdgedNest
from .winograd_nest import WinogradNest
from .winograd_tiling import tile_count, tile_grid

# What one of several cores reads; the boards differ by less than the rule needs to know.
_BYTES_PER_CYCLE = 0.8
_ROOM_IN_L2 = 0.6  # for the transformed tiles of a block, beside weights that stream through
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
            tile, mr, nr = TILES[config["m"]], int(config["mr"]), int(config["nr"])
            block, count = int(config["block"]), tile_count(workload, tile)
            if _is_edged(config):
                edged = winograd_edges.pays(workload, tile) and block == 1
                fits = winograd_edges.is_covered(workload, tile, core, mr, nr)
                return edged and fits and (mr <= workload.co or mr == 4)
            return (
                (mr, nr) in tiles(core)
                and (mr <= workload.co or mr == 4)
                and (nr <= count or nr == 4)
                and tile.rows <= workload.oh
                and tile.columns <= workload.ow
                and (block == 1 or block // 2 < -(-count // nr))
            )

        return KnobSpace(
            {
                "m": tuple(TILES),
                "mr": (4, 6, 8, 12),
                "nr": (4, 8, 12, 16),
                "block": (1, 2, 4, 8, 16),
                "share": ("pixels", "channels"),
            },
            allowed,
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        """Square tiles: all cores together have few weights to read, or few products to compute."""
        return self._best(workload, core, [2, 4], _cycles_beside_others)

    def default_for_one(self, workload: Conv2dWorkload, core: Core) -> Config:
        return self._best(workload, core, list(TILES), _cycles_alone)

    def starts(self, workload: Conv2dWorkload, core: Core) -> list[Config]:
        """The hand-picked config of each m: what they ask of memory differs most."""
        best = [self.default(workload, core)]
        there_are = {config["m"] for config in self.space(workload, core)}
        for m in TILES:
            if m in there_are and EDGED.get(m) not in there_are:
                best.append(self._best(workload, core, [m], _cycles_beside_others))
        return [config for n, config in enumerate(best) if config not in best[:n]]

    def _best(
        self,
        workload: Conv2dWorkload,
        core: Core,
        tile_names: Sequence[int | str],
        cycles: Callable[[Conv2dWorkload, Core, Config], float],
    ) -> Config:
        """The config that takes least; of equal ones that whose blocks fit the caches.

        Where tiles may be narrower at the edge, they are.
        """

        def rank(config: Config) -> tuple:
            cost = cycles(workload, core, config)
            # One thread has nobody to share with, and begins and ends a loop less.
            shares = config["share"] == ("pixels" if cycles is _cycles_alone else "channels")
            misfit, block = _misfit(workload, core, config), int(config["block"])
            spills = cycles is _cycles_alone and _spills(workload, core, config)
            busy = _busy_cycles(workload, core, config)
            return (cost, not shares, misfit, spills, -block, busy, str(config))

        space = list(self.space(workload, core))
        there_are = {config["m"] for config in space}
        tile_names = [EDGED[name] if EDGED.get(name) in there_are else name for name in tile_names]
        return min((config for config in space if config["m"] in tile_names), key=rank)

    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        return 0.95 if min(workload.oh, workload.ow) >= 4 and workload.ci >= 16 else 0.4

    def error_growth(self, config: Config) -> float:
        """The transforms' coefficients grow intermediate values.

        Measured on random data: 2 and 20 times the error of a direct sum with square tiles; one of
        2x4 has a transform of each, and some more than the geometric mean. `tests/test_errors.py`
        holds every schedule to a quarter of the bound that follows.
        """
        return {2: 2.0, "2e": 2.0, "2x4": 6.0, 4: 16.0, "4e": 16.0}[config["m"]]

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        tile, nr = TILES[config["m"]], int(config["nr"])
        count = -(-tile_count(workload, tile) // nr)
        nest = NestShape(
            mr=int(config["mr"]),
            nr=nr,
            pixel_tiles=count,
            covered=count * nr * tile.rows * tile.columns,
            block=int(config["block"]),
            over_channels=config["share"] == "channels",
            packed=True,
            rows_a_tile=tile.rows,
        ).features(workload, core)
        return {**nest, "winograd_m": float(tile.columns)}

    def packed_shape(self, workload: Conv2dWorkload, config: Config) -> tuple[int, int, int]:
        """(tiles of channels times places, CI, MR).

        Places of one tile of channels are consecutive: read one after the other, they would else
        lie a power of two apart and fall into the same sets of the caches.
        """
        places, mr = TILES[config["m"]].places, int(config["mr"])
        return (places * -(-workload.co // mr), workload.ci, mr)

    def pack(self, weight: np.ndarray, workload: Conv2dWorkload, config: Config) -> np.ndarray:
        down, across = (TRANSFORMS[m].g for m in TILES[config["m"]])
        mr = int(config["mr"])
        channel_tiles = -(-workload.co // mr)
        # In float64: the transform is done once and should not add to the error.
        moved = np.einsum("ir,ocrs,js->ijoc", down, weight.astype(np.float64), across)
        padded = np.zeros((*moved.shape[:2], channel_tiles * mr, workload.ci))
        padded[:, :, : workload.co] = moved
        by_tile = padded.reshape(-1, channel_tiles, mr, workload.ci).transpose(1, 0, 3, 2)
        shape = self.packed_shape(workload, config)
        return np.ascontiguousarray(by_tile.reshape(shape).astype(np.float32))

    def pack_compute(self, weight: te.Tensor, workload: Conv2dWorkload, config: Config):
        tile, mr = TILES[config["m"]], int(config["mr"])
        down, across = (TRANSFORMS[m].g for m in tile)
        places, columns = tile.places, tile.inputs[1]
        r, s = te.reduce_axis((0, 3), name="r"), te.reduce_axis((0, 3), name="s")

        def element(at, k, row):
            place, channel = at % places, at // places * mr + row
            value = tirx.if_then_else(
                channel < workload.co,
                weight[tirx.min(channel, workload.co - 1), k, r, s],
                tirx.const(0.0, weight.dtype),
            )
            factor = table(down, place // columns, r) * table(across, place % columns, s)
            return te.sum(factor * value, axis=[r, s])

        return te.compute(self.packed_shape(workload, config), element, name="pack_weight")

    def compute(
        self, data: te.Tensor, weight: te.Tensor, workload: Conv2dWorkload, config: Config
    ) -> te.Tensor:
        tile, mr = TILES[config["m"]], int(config["mr"])
        down, across = (TRANSFORMS[m] for m in tile)
        (m_rows, m_columns), (size_y, size_x), places = tile, tile.inputs, tile.places
        rows, columns = tile_grid(workload, tile)
        padded = pad_compute(data, workload)
        height, width = padded_plane(workload)
        r, s = te.reduce_axis((0, size_y), name="r"), te.reduce_axis((0, size_x), name="s")

        def moved_input(place, n, k, y, x):
            row = tirx.min(y * m_rows, height - size_y)
            column = tirx.min(x * m_columns, width - size_x)
            factor = table(down.bt, place // size_x, r) * table(across.bt, place % size_x, s)
            return te.sum(factor * padded[n, k, row + r, column + s], axis=[r, s])

        shape = (places, workload.n, workload.ci, rows, columns)
        moved = te.compute(shape, moved_input, name="input_transform")
        k = te.reduce_axis((0, workload.ci), name="k")

        def product(place, n, c, y, x):
            packed = weight[c // mr * places + place, k, c % mr]
            return te.sum(packed * moved[place, n, k, y, x], axis=k)

        shape = (places, workload.n, workload.co, rows, columns)
        products = te.compute(shape, product, name="products")
        i, j = te.reduce_axis((0, size_y), name="i"), te.reduce_axis((0, size_x), name="j")

        def output(n, c, y, x):
            row, column = tirx.min(y // m_rows, rows - 1), tirx.min(x // m_columns, columns - 1)
            # In an overlapped tile a pixel's place counts from where the tile begins.
            below = y - tirx.min(row * m_rows, workload.oh - m_rows)
            right = x - tirx.min(column * m_columns, workload.ow - m_columns)
            factor = table(down.at, below, i) * table(across.at, right, j)
            return te.sum(factor * products[i * size_x + j, n, c, row, column], axis=[i, j])

        return annotated(output, workload, self.name, config)

    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        kind = EdgedNest if _is_edged(config) else WinogradNest
        nest = kind(conv, core, config)
        if config["share"] == "channels":
            nest.emit_over_channels()
        else:
            nest.emit_over_pixels()


def _is_edged(config: Config) -> bool:
    return config["m"] in EDGED.values()


def _weight_bytes(workload: Conv2dWorkload, config: Config) -> int:
    """Of all transformed weights."""
    return 4 * TILES[config["m"]].places * workload.ci * workload.co


def _streams(workload: Conv2dWorkload, core: Core, config: Config) -> bool:
    """Whether most weights come from memory in each pass over them."""
    return _weight_bytes(workload, config) > 8 * hardware.board(core.usual_board).l2_bytes


def _cycles_alone(workload: Conv2dWorkload, core: Core, config: Config) -> float:
    """Of one core that has memory for itself.

    Of reading the weights most is not hidden; on an in-order core, which takes longer to multiply
    than to read, half is.
    """
    read = _weight_bytes(workload, config) / hardware.board(core.usual_board).dram_bytes_per_cycle
    busy = _busy_cycles(workload, core, config)
    return max(busy, read) + min(busy, read) * (0.5 if core.pipeline == "in-order" else 1)


def _cycles_beside_others(workload: Conv2dWorkload, core: Core, config: Config) -> float:
    """Of all cores, summed, which share the memory bus.

    Weights that L2 has no room for are read again for each block, and the tiles of a larger block
    than it has room for with each tile of channels, at the pace of the bus. Of a single group it
    has to have room.
    """
    board, tile = hardware.board(core.usual_board), TILES[config["m"]]
    size, again = _weight_bytes(workload, config), 0
    if not _is_edged(config):
        groups, block = -(-tile_count(workload, tile) // int(config["nr"])), int(config["block"])
        if size > board.l2_bytes:
            again += size * (-(-groups // block) - 1)
        a_group = 4 * tile.places * workload.ci * int(config["nr"])
        if block > 1 and a_group * min(block, groups) > _ROOM_IN_L2 * board.l2_bytes:
            again += a_group * groups * (-(-workload.co // int(config["mr"])) - 1)
    read = size / _BYTES_PER_CYCLE + again * CORES / board.dram_bytes_per_cycle
    busy = _busy_cycles(workload, core, config)
    # Of what is read equally often, what is computed faster.
    return max(busy, read) + (busy / 100 if again else 0)


def _busy_cycles(workload: Conv2dWorkload, core: Core, config: Config) -> float:
    """Products on one core, idle lanes and rows counted.

    The cores share tiles of rows. Where all of them wait for memory, an idle one does no harm, and
    an in-order one gains from tiles that leave it time to prefetch.
    """
    tile, mr, nr = TILES[config["m"]], int(config["mr"]), int(config["nr"])
    in_order = core.pipeline == "in-order"
    together = mr if in_order and _streams(workload, core, config) else mr * CORES
    rows = -(-workload.co // together) * together
    if _is_edged(config):
        lanes = sum(
            places
            * sum(piece * tile_cost(core, mr, piece) for piece in winograd_edges.pieces(width, nr))
            for width, places in winograd_edges.places_by_width(workload, tile).items()
        )
    else:
        columns = -(-tile_count(workload, tile) // nr) * nr
        lanes = tile.places * columns * tile_cost(core, mr, nr)
    return rows * workload.ci / LANES * lanes


def _spills(workload: Conv2dWorkload, core: Core, config: Config) -> bool:
    """Whether a block's products leave the L1 cache for nothing: weights would come from L2."""
    l2_bytes = hardware.board(core.usual_board).l2_bytes
    if _weight_bytes(workload, config) > l2_bytes:
        return False
    a_group = TILES[config["m"]].places * int(config["mr"]) * int(config["nr"])
    return 4 * a_group * int(config["block"]) > core.l1d_bytes


def _misfit(workload: Conv2dWorkload, core: Core, config: Config) -> int:
    """0 if a block stays in the caches, 1 if only what one place reads of it, else 2.

    In L2 it stays beside the weights that all its places are multiplied with; in L1 what the
    products at one place read of it. Weights that come from memory once a block are worth all of
    L1: what it cannot hold is prefetched from L2.
    """
    l2_bytes = hardware.board(core.usual_board).l2_bytes
    tile, row = TILES[config["m"]], 4 * workload.ci
    groups = -(-tile_count(workload, tile) // int(config["nr"]))
    block = min(int(config["block"]), groups)
    at_one_place = row * int(config["nr"]) * block
    if _streams(workload, core, config):
        in_l2 = tile.places * (at_one_place + row * int(config["mr"])) <= l2_bytes
        in_l1 = at_one_place <= core.l1d_bytes
        return 0 if in_l1 and in_l2 else 2 - in_l1
    fits = at_one_place <= core.l1d_bytes // 4 and tile.places * at_one_place <= _BLOCK_BYTES
    return 0 if block == 1 or fits else 2
