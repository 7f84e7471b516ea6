"""The loop nest of `conv2d_winograd`: transform tiles, multiply, transform back, store."""

from __future__ import annotations

from typing import Any

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from .. import hardware
from ..hardware import Core
from ..knobs import Config
from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, ramp
from ..microkernels import kernel
from ..workload import Conv2dWorkload
from .ahead import next_if_last
from .facts import CORES
from .padding import copy_padded_rows, padded_plane
from .transforms import TILES, Tile, input_rows, output_rows

# Elements. Without them the places of one tile would lie a power of two apart for most numbers of
# channels, in the same few sets of the L1 cache, and push each other out as they are written.
_PLACE_PADDING = 16


def tile_grid(workload: Conv2dWorkload, tile: Tile) -> tuple[int, int]:
    """Rows and columns of tiles that cover the output; the last ones overlap."""
    return -(-workload.oh // tile.rows), -(-workload.ow // tile.columns)


def tile_count(workload: Conv2dWorkload, tile: Tile) -> int:
    """Tiles of one image."""
    rows, columns = tile_grid(workload, tile)
    return rows * columns


class WinogradNest:
    """Block by block: transform the tiles of all channels, multiply, transform back, store."""

    def __init__(self, conv: Convolution, core: Core, config: Config) -> None:
        self.conv, self.e, self.workload = conv, conv.e, conv.workload
        self.tile = TILES[config["m"]]
        self.places = self.tile.places
        self.kernel = kernel(core, int(config["mr"]), int(config["nr"]))
        self.mr, self.nr = self.kernel.mr, self.kernel.nr
        self.channel_tiles = -(-self.workload.co // self.mr)
        self.count = tile_count(self.workload, self.tile)
        self.groups = -(-self.count // self.nr)  # of NR tiles
        self.place_size = self.workload.ci * self.nr + _PLACE_PADDING
        self.group_size = self.places * self.place_size
        self.products_size = self.places * self.mr * self.nr
        self.block = min(int(config["block"]), self.groups)
        self.together = self._tiles_together(core)
        self.batches = -(-self.channel_tiles // self.together)

    def emit_over_pixels(self) -> None:
        """Cores share the blocks: each transforms its own and reads all weights."""
        e, blocks = self.e, self._blocks
        with e.loop(self.workload.n * blocks, "index", ForKind.PARALLEL) as index:
            image = e.bind("image", tirx.floordiv(index, blocks))
            first, turns = self._groups_of(tirx.floormod(index, blocks))
            moved = e.alloc("moved", self.block * self.group_size)
            products = e.alloc("products", self.together * self.block * self.products_size)
            with e.loop(self.workload.ci, "ci") as ci:
                self._transform_channel(image, ci, first, turns, moved)
            with e.loop(self.batches, "batch") as batch:
                self._batch_of_channels(image, batch, first, turns, moved, products)

    def emit_over_channels(self) -> None:
        """Cores share the channels, block after block: each reads its part of the weights."""
        e, blocks = self.e, self._blocks
        moved = e.alloc("moved", self.block * self.group_size)
        with e.loop(self.workload.n * blocks, "index") as index:
            image = e.bind("image", tirx.floordiv(index, blocks))
            first, turns = self._groups_of(tirx.floormod(index, blocks))
            with e.loop(self.workload.ci, "ci", ForKind.PARALLEL) as ci:
                self._transform_channel(image, ci, first, turns, moved)
            with e.loop(self.batches, "batch", ForKind.PARALLEL) as batch:
                products = e.alloc("products", self.together * self.block * self.products_size)
                self._batch_of_channels(image, batch, first, turns, moved, products)

    @property
    def _blocks(self) -> int:
        return -(-self.groups // self.block)

    def _groups_of(self, block) -> tuple:
        """(first group, number of groups) of a block."""
        first = self.e.bind("first", block * self.block)
        if self.groups % self.block == 0:
            return first, self.block
        return first, self.e.bind("turns", tirx.min(self.block, self.groups - first))

    def _batch_of_channels(self, image, batch, first, turns, moved, products) -> None:
        """Some tiles of MR output channels of a block, place by place.

        The weights of a tile at a place stay in the L1 cache while all groups are multiplied with
        them; what a place has of the block stays there, or in L2, for the tiles of the batch.
        """
        e = self.e
        first_tile = e.bind("first_tile", batch * self.together)
        tiles: Any = self.together
        if self.channel_tiles % self.together:
            tiles = e.bind("tiles", tirx.min(self.together, self.channel_tiles - first_tile))
        with e.loop(self.places, "place") as place, e.loop(tiles, "tile") as tile:
            next_tile = self._next_tile(tile, tiles)
            with e.loop(turns, "group") as group:
                slot = tile * self.block + group
                channel_tile = first_tile + tile
                self._multiply(channel_tile, place, moved, products, group, slot, turns, next_tile)
        with e.loop(tiles, "tile") as tile, e.loop(turns, "group") as group:
            slot = tile * self.block + group
            self._transform_output(image, first_tile + tile, first + group, products, slot)

    def _next_tile(self, tile, tiles):
        """Elements from the weights of a batch's tile at a place to those that come next."""
        size = self.workload.ci * self.mr
        if self.together == 1:
            return size
        stride = self.places * size
        return tirx.Select(tile < tiles - 1, stride, size - (tiles - 1) * stride)

    def _tiles_together(self, core: Core) -> int:
        """How many tiles of channels make a batch.

        All places of one tile, then of the next, reads the whole block for each tile. Where L2 does
        not hold that beside the weights, which pass through it, a core does all its tiles at one
        place before it goes to the next. Then products leave the L1 cache, which costs more where
        the block would have stayed.
        """
        weights = self.places * self.workload.ci * self.mr
        kept_bytes = 4 * (self.block * self.group_size + weights)
        fits = kept_bytes <= hardware.board(core.usual_board).l2_bytes
        return 1 if fits else -(-self.channel_tiles // CORES)

    def _first_tile(self, group):
        """Where a group of NR tiles begins; the last one early enough to be whole."""
        return tirx.min(group * self.nr, max(self.count - self.nr, 0))

    def _origins(self, group, quad) -> list[tuple]:
        """(row, column) of the first output pixel of four tiles of a group."""
        e, workload = self.e, self.workload
        _, columns = tile_grid(workload, self.tile)
        first = self._first_tile(group) + quad * LANES
        origins = []
        for lane in range(LANES):
            tile = first + lane
            if self.count < self.nr:
                tile = tirx.min(tile, self.count - 1)
            tile = e.bind(f"tile{lane}", tile)
            row = self._first_row(tile)
            column = tirx.min(
                tirx.floormod(tile, columns) * self.tile.columns, workload.ow - self.tile.columns
            )
            origins.append(
                (e.bind_opaque(f"row{lane}", row), e.bind_opaque(f"column{lane}", column))
            )
        return origins

    def _transform_channel(self, image, ci, first, turns, moved) -> None:
        """B^T d B of one channel of a block's tiles.

        The rows under them get their border in a buffer of one plane, which stays in the cache.
        """
        e, workload = self.e, self.workload
        height, width = padded_plane(workload)
        plane = e.bind("plane", image * workload.ci + ci)
        data, start = self.conv.data, plane * (height * width)
        if any(workload.padding) and self.conv.source is None:
            data, start = e.alloc("padded", height * width), 0
            top = e.bind_opaque("top", self._first_row(self._first_tile(first)))
            last = tirx.min((first + turns) * self.nr - 1, self.count - 1)
            end = e.bind_opaque("end", self._first_row(last) + self.tile.inputs[0])
            copy_padded_rows(self.conv, plane, data, top, end - top)
        # TVM compares all indices of a buffer, but not those of a view of it: that takes seconds.
        data = e.flat_view(data)
        with e.loop(turns, "group") as group:
            self._transform_input(data, start, first + group, ci, moved, group)

    def _first_row(self, tile):
        """The first row of the output in a tile, and of the padded plane under it."""
        _, columns = tile_grid(self.workload, self.tile)
        row = tirx.floordiv(tile, columns) * self.tile.rows
        return tirx.min(row, self.workload.oh - self.tile.rows)

    def _transform_input(self, data, plane, group, ci, moved, slot) -> None:
        """B^T d B of one channel of NR tiles: `moved[slot, place, ci, tile]`."""
        e, (rows, columns) = self.e, self.tile.inputs
        _, width = padded_plane(self.workload)
        with e.loop(self.nr // LANES, "quad") as quad:
            offsets = [
                e.bind(f"offset{lane}", row * width + column)
                for lane, (row, column) in enumerate(self._origins(group, quad))
            ]
            half = e.registers("half", self.places * LANES)
            for column in range(columns):
                pixels = [
                    self._gather(data, plane, offsets, r * width + column) for r in range(rows)
                ]
                for i, value in enumerate(input_rows(self.tile.rows, pixels)):
                    e.store(half, ramp((i * columns + column) * LANES), value)
            at = e.bind("at", slot * self.group_size + ci * self.nr + quad * LANES)
            for i in range(rows):
                pixels = [self._vector(half, i * columns + column) for column in range(columns)]
                for j, value in enumerate(input_rows(self.tile.columns, pixels)):
                    e.store(moved, ramp(at + (i * columns + j) * self.place_size), value)

    def _gather(self, data, plane, offsets, at: int):
        """The same pixel of four tiles."""
        pixels = [BufferLoad(data, [plane + offset + at]) for offset in offsets]
        return tirx.Shuffle(pixels, list(range(LANES)))

    @staticmethod
    def _vector(buffer, index):
        return BufferLoad(buffer, [ramp(index * LANES)])

    def _multiply(
        self, channel_tile, place, moved, products, group, slot, turns, next_tile
    ) -> None:
        """`products[slot, place, row, tile]` of a tile of channels and a group of a block."""
        e, workload = self.e, self.workload
        accumulators = e.registers("accumulators", self.mr * self.nr)
        tile = channel_tile * self.places + place
        self.kernel.emit(
            self.conv,
            accumulators,
            weights=(self.conv.weight, tile * (workload.ci * self.mr)),
            pixels=(moved, group * self.group_size + place * self.place_size),
            row_stride=self.nr,
            k=workload.ci,
            next_weights=next_if_last(group, turns, next_tile),
        )
        result = slot * self.products_size + place * (self.mr * self.nr)
        for i in range(0, self.mr * self.nr, LANES):
            e.store(products, ramp(result + i), BufferLoad(accumulators, [ramp(i)]))

    def _transform_output(self, image, channel_tile, group, products, slot) -> None:
        """A^T p A of each channel and tile, through the epilogue into the output."""
        e, m, (rows, columns) = self.e, self.tile.rows, self.tile.inputs
        with e.loop(self.nr // LANES, "quad") as quad:
            origins = self._origins(group, quad)
            with e.loop(self.mr, "row") as row:
                channel = e.bind("channel", channel_tile * self.mr + row)
                with e.when(channel < self.workload.co):
                    half = e.registers("half", m * columns * LANES)
                    at = slot * self.products_size + row * self.nr + quad * LANES
                    for column in range(columns):
                        places = [r * columns + column for r in range(rows)]
                        sums = [self._product(products, at, place) for place in places]
                        for i, value in enumerate(output_rows(m, sums)):
                            e.store(half, ramp((i * columns + column) * LANES), value)
                    self._store_tiles(image, channel, origins, half)

    def _product(self, products, at, place: int):
        """The products of four tiles at one place of one channel."""
        return BufferLoad(products, [ramp(at + place * (self.mr * self.nr))])

    def _store_tiles(self, image, channel, origins, half) -> None:
        """The second half of the output transform of four tiles, and their stores row by row."""
        e, (rows, m), (_, columns) = self.e, self.tile, self.tile.inputs
        # Tile after tile, so that a row of m pixels is consecutive.
        out = e.registers("out", LANES * rows * m)
        for i in range(rows):
            sums = [self._vector(half, i * columns + column) for column in range(columns)]
            pixels = output_rows(m, sums)
            for lane in range(LANES):
                start = (lane * rows + i) * m
                if m == LANES:
                    lanes = [lane + LANES * j for j in range(m)]
                    e.store(out, ramp(start), tirx.Shuffle(pixels, lanes))
                else:
                    for j in range(m):
                        e.store(out, start + j, tirx.Shuffle([pixels[j]], [lane]))
        for lane, (y, x) in enumerate(origins):
            for i in range(rows):
                offset = (y + i) * self.workload.ow + x
                self.conv.store_row(image, channel, offset, out, (lane * rows + i) * m, m)
