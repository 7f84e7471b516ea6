"""The loop nest of `conv2d_winograd`: transform tiles, multiply, transform back, store."""

from __future__ import annotations

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from ..hardware import Core
from ..knobs import Config
from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, ramp
from ..microkernels import kernel
from ..workload import Conv2dWorkload
from .ahead import next_if_last
from .padding import copy_padded_rows, padded_plane
from .transforms import input_rows, output_rows

# Elements. Without them the places of one tile would lie a power of two apart for most numbers of
# channels, in the same few sets of the L1 cache, and push each other out as they are written.
_PLACE_PADDING = 16


def tile_grid(workload: Conv2dWorkload, m: int) -> tuple[int, int]:
    """Rows and columns of m x m tiles that cover the output; the last ones overlap."""
    return -(-workload.oh // m), -(-workload.ow // m)


def tile_count(workload: Conv2dWorkload, m: int) -> int:
    """Tiles of one image."""
    rows, columns = tile_grid(workload, m)
    return rows * columns


class WinogradNest:
    """Block by block: transform the tiles of all channels, multiply, transform back, store."""

    def __init__(self, conv: Convolution, core: Core, config: Config) -> None:
        self.conv, self.e, self.workload = conv, conv.e, conv.workload
        self.m = int(config["m"])
        self.size = self.m + 2
        self.places = self.size**2
        self.kernel = kernel(core, int(config["mr"]), int(config["nr"]))
        self.mr, self.nr = self.kernel.mr, self.kernel.nr
        self.channel_tiles = -(-self.workload.co // self.mr)
        self.count = tile_count(self.workload, self.m)
        self.groups = -(-self.count // self.nr)  # of NR tiles
        self.place_size = self.workload.ci * self.nr + _PLACE_PADDING
        self.group_size = self.places * self.place_size
        self.products_size = self.places * self.mr * self.nr
        self.block = min(int(config["block"]), self.groups)

    def emit_over_pixels(self) -> None:
        """Cores share the blocks: each transforms its own and reads all weights."""
        e, blocks = self.e, self._blocks
        with e.loop(self.workload.n * blocks, "index", ForKind.PARALLEL) as index:
            image = e.bind("image", tirx.floordiv(index, blocks))
            first, turns = self._groups_of(tirx.floormod(index, blocks))
            moved = e.alloc("moved", self.block * self.group_size)
            products = e.alloc("products", self.block * self.products_size)
            with e.loop(self.workload.ci, "ci") as ci:
                self._transform_channel(image, ci, first, turns, moved)
            with e.loop(self.channel_tiles, "channel_tile") as channel_tile:
                self._tile_of_channels(image, channel_tile, first, turns, moved, products)

    def emit_over_channels(self) -> None:
        """Cores share the channels, block after block: each reads its part of the weights."""
        e, blocks = self.e, self._blocks
        moved = e.alloc("moved", self.block * self.group_size)
        with e.loop(self.workload.n * blocks, "index") as index:
            image = e.bind("image", tirx.floordiv(index, blocks))
            first, turns = self._groups_of(tirx.floormod(index, blocks))
            with e.loop(self.workload.ci, "ci", ForKind.PARALLEL) as ci:
                self._transform_channel(image, ci, first, turns, moved)
            with e.loop(self.channel_tiles, "channel_tile", ForKind.PARALLEL) as channel_tile:
                products = e.alloc("products", self.block * self.products_size)
                self._tile_of_channels(image, channel_tile, first, turns, moved, products)

    @property
    def _blocks(self) -> int:
        return -(-self.groups // self.block)

    def _groups_of(self, block) -> tuple:
        """(first group, number of groups) of a block."""
        first = self.e.bind("first", block * self.block)
        if self.groups % self.block == 0:
            return first, self.block
        return first, self.e.bind("turns", tirx.min(self.block, self.groups - first))

    def _tile_of_channels(self, image, channel_tile, first, turns, moved, products) -> None:
        """MR output channels of a block.

        The weights of a place stay in the L1 cache while all groups are multiplied with them.
        """
        e = self.e
        with e.loop(self.places, "place") as place, e.loop(turns, "group") as group:
            self._multiply(channel_tile, place, moved, products, group, turns)
        with e.loop(turns, "group") as group:
            self._transform_output(image, channel_tile, first + group, products, group)

    def _first_tile(self, group):
        """Where a group of NR tiles begins; the last one early enough to be whole."""
        return tirx.min(group * self.nr, max(self.count - self.nr, 0))

    def _origins(self, group, quad) -> list[tuple]:
        """(row, column) of the first output pixel of four tiles of a group."""
        e, workload = self.e, self.workload
        _, columns = tile_grid(workload, self.m)
        first = self._first_tile(group) + quad * LANES
        origins = []
        for lane in range(LANES):
            tile = first + lane
            if self.count < self.nr:
                tile = tirx.min(tile, self.count - 1)
            tile = e.bind(f"tile{lane}", tile)
            row = tirx.min(tirx.floordiv(tile, columns) * self.m, workload.oh - self.m)
            column = tirx.min(tirx.floormod(tile, columns) * self.m, workload.ow - self.m)
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
            top = e.bind_opaque("top", self._row_of(self._first_tile(first)))
            end = e.bind_opaque("end", self._row_of((first + turns) * self.nr - 1) + self.size)
            copy_padded_rows(self.conv, plane, data, top, end - top)
        # TVM compares all indices of a buffer, but not those of a view of it: that takes seconds.
        data = e.flat_view(data)
        with e.loop(turns, "group") as group:
            self._transform_input(data, start, first + group, ci, moved, group)

    def _row_of(self, tile):
        """The first row of the padded plane under a tile."""
        workload = self.workload
        _, columns = tile_grid(workload, self.m)
        tile = tirx.min(tile, self.count - 1)
        return tirx.min(tirx.floordiv(tile, columns) * self.m, workload.oh - self.m)

    def _transform_input(self, data, plane, group, ci, moved, slot) -> None:
        """B^T d B of one channel of NR tiles: `moved[slot, place, ci, tile]`."""
        e, size = self.e, self.size
        _, width = padded_plane(self.workload)
        with e.loop(self.nr // LANES, "quad") as quad:
            offsets = [
                e.bind(f"offset{lane}", row * width + column)
                for lane, (row, column) in enumerate(self._origins(group, quad))
            ]
            half = e.registers("half", self.places * LANES)
            for column in range(size):
                pixels = [
                    self._gather(data, plane, offsets, r * width + column) for r in range(size)
                ]
                for i, value in enumerate(input_rows(self.m, pixels)):
                    e.store(half, ramp((i * size + column) * LANES), value)
            at = e.bind("at", slot * self.group_size + ci * self.nr + quad * LANES)
            for i in range(size):
                pixels = [self._vector(half, i * size + column) for column in range(size)]
                for j, value in enumerate(input_rows(self.m, pixels)):
                    e.store(moved, ramp(at + (i * size + j) * self.place_size), value)

    def _gather(self, data, plane, offsets, at: int):
        """The same pixel of four tiles."""
        pixels = [BufferLoad(data, [plane + offset + at]) for offset in offsets]
        return tirx.Shuffle(pixels, list(range(LANES)))

    @staticmethod
    def _vector(buffer, index):
        return BufferLoad(buffer, [ramp(index * LANES)])

    def _multiply(self, channel_tile, place, moved, products, slot, turns) -> None:
        """`products[slot, place, row, tile]` of a tile of channels."""
        e, workload = self.e, self.workload
        accumulators = e.registers("accumulators", self.mr * self.nr)
        tile = channel_tile * self.places + place
        self.kernel.emit(
            self.conv,
            accumulators,
            weights=(self.conv.weight, tile * (workload.ci * self.mr)),
            pixels=(moved, slot * self.group_size + place * self.place_size),
            row_stride=self.nr,
            k=workload.ci,
            next_weights=next_if_last(slot, turns, workload.ci * self.mr),
        )
        result = slot * self.products_size + place * (self.mr * self.nr)
        for i in range(0, self.mr * self.nr, LANES):
            e.store(products, ramp(result + i), BufferLoad(accumulators, [ramp(i)]))

    def _transform_output(self, image, channel_tile, group, products, slot) -> None:
        """A^T p A of each channel and tile, through the epilogue into the output."""
        e, m, size = self.e, self.m, self.size
        with e.loop(self.nr // LANES, "quad") as quad:
            origins = self._origins(group, quad)
            with e.loop(self.mr, "row") as row:
                channel = e.bind("channel", channel_tile * self.mr + row)
                with e.when(channel < self.workload.co):
                    half = e.registers("half", m * size * LANES)
                    at = slot * self.products_size + row * self.nr + quad * LANES
                    for column in range(size):
                        sums = [self._product(products, at, r * size + column) for r in range(size)]
                        for i, value in enumerate(output_rows(m, sums)):
                            e.store(half, ramp((i * size + column) * LANES), value)
                    self._store_tiles(image, channel, origins, half)

    def _product(self, products, at, place: int):
        """The products of four tiles at one place of one channel."""
        return BufferLoad(products, [ramp(at + place * (self.mr * self.nr))])

    def _store_tiles(self, image, channel, origins, half) -> None:
        """The second half of the output transform of four tiles, and their stores row by row."""
        e, m, size = self.e, self.m, self.size
        # Tile after tile, so that a row of m pixels is consecutive.
        out = e.registers("out", LANES * m * m)
        for i in range(m):
            sums = [self._vector(half, i * size + column) for column in range(size)]
            pixels = output_rows(m, sums)
            for lane in range(LANES):
                start = (lane * m + i) * m
                if m == LANES:
                    lanes = [lane + LANES * j for j in range(m)]
                    e.store(out, ramp(start), tirx.Shuffle(pixels, lanes))
                else:
                    for j in range(m):
                        e.store(out, start + j, tirx.Shuffle([pixels[j]], [lane]))
        for lane, (y, x) in enumerate(origins):
            for i in range(m):
                offset = (y + i) * self.workload.ow + x
                self.conv.store_row(image, channel, offset, out, (lane * m + i) * m, m)
