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
from .padding import emit_padded, padded_plane
from .transforms import TRANSFORMS, linear

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
    """The loop nest: transform NR tiles of all channels, multiply, transform back, store."""

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
        self.transforms = TRANSFORMS[self.m]

    def emit_over_pixels(self) -> None:
        """Cores share the tiles: each transforms its own and reads all weights."""
        e = self.e
        data = emit_padded(self.conv)
        with e.loop(self.workload.n * self.groups, "index", ForKind.PARALLEL) as index:
            image = e.bind("image", tirx.floordiv(index, self.groups))
            group = e.bind("group", tirx.floormod(index, self.groups))
            moved = e.alloc("moved", self.group_size)
            products = e.alloc("products", self.places * self.mr * self.nr)
            self._transform_input(data, image, group, moved, 0)
            with e.loop(self.channel_tiles, "channel_tile") as channel_tile:
                self._multiply(channel_tile, moved, 0, products)
                self._transform_output(image, channel_tile, group, products)

    def emit_over_channels(self) -> None:
        """Cores share the channels: all tiles are transformed first, weights are read once."""
        e = self.e
        data = emit_padded(self.conv)
        moved = e.alloc("moved", self.groups * self.group_size)
        with e.loop(self.workload.n, "image") as image:
            with e.loop(self.groups, "group", ForKind.PARALLEL) as group:
                self._transform_input(data, image, group, moved, group * self.group_size)
            with e.loop(self.channel_tiles, "channel_tile", ForKind.PARALLEL) as channel_tile:
                products = e.alloc("products", self.places * self.mr * self.nr)
                with e.loop(self.groups, "group") as group:
                    self._multiply(channel_tile, moved, group * self.group_size, products)
                    self._transform_output(image, channel_tile, group, products)

    def _origins(self, group, quad) -> list[tuple]:
        """(row, column) of the first output pixel of four tiles of a group."""
        e, workload = self.e, self.workload
        _, columns = tile_grid(workload, self.m)
        first = tirx.min(group * self.nr, max(self.count - self.nr, 0)) + quad * LANES
        origins = []
        for lane in range(LANES):
            tile = e.bind(f"tile{lane}", tirx.min(first + lane, self.count - 1))
            row = tirx.min(tirx.floordiv(tile, columns) * self.m, workload.oh - self.m)
            column = tirx.min(tirx.floormod(tile, columns) * self.m, workload.ow - self.m)
            origins.append((e.bind(f"row{lane}", row), e.bind(f"column{lane}", column)))
        return origins

    def _transform_input(self, data, image, group, moved, base) -> None:
        """B^T d B of NR tiles: `moved[place, ci, tile]` from `base`."""
        e, workload, size = self.e, self.workload, self.size
        height, width = padded_plane(workload)
        with e.loop(self.nr // LANES, "quad") as quad:
            offsets = [
                e.bind(f"offset{lane}", row * width + column)
                for lane, (row, column) in enumerate(self._origins(group, quad))
            ]
            with e.loop(workload.ci, "ci") as ci:
                plane = e.bind("plane", (image * workload.ci + ci) * (height * width))
                half = e.registers("half", self.places * LANES)
                for column in range(size):
                    pixels = [
                        self._gather(data, plane, offsets, r * width + column) for r in range(size)
                    ]
                    for i, row in enumerate(self.transforms.bt):
                        e.store(half, ramp((i * size + column) * LANES), linear(row, pixels))
                for i in range(size):
                    pixels = [self._vector(half, i * size + column) for column in range(size)]
                    for j, row in enumerate(self.transforms.bt):
                        place = (i * size + j) * self.place_size + ci * self.nr + quad * LANES
                        e.store(moved, ramp(base + place), linear(row, pixels))

    def _gather(self, data, plane, offsets, at: int):
        """The same pixel of four tiles."""
        pixels = [BufferLoad(data, [plane + offset + at]) for offset in offsets]
        return tirx.Shuffle(pixels, list(range(LANES)))

    @staticmethod
    def _vector(buffer, index):
        return BufferLoad(buffer, [ramp(index * LANES)])

    def _multiply(self, channel_tile, moved, base, products) -> None:
        """`products[place, row, tile]` for one tile of channels and one group."""
        e, workload = self.e, self.workload
        with e.loop(self.places, "place") as place:
            accumulators = e.registers("accumulators", self.mr * self.nr)
            tile = channel_tile * self.places + place
            self.kernel.emit(
                self.conv,
                accumulators,
                weights=(self.conv.weight, tile * (workload.ci * self.mr)),
                pixels=(moved, base + place * self.place_size),
                row_stride=self.nr,
                k=workload.ci,
            )
            for i in range(0, self.mr * self.nr, LANES):
                value = BufferLoad(accumulators, [ramp(i)])
                e.store(products, ramp(place * (self.mr * self.nr) + i), value)

    def _transform_output(self, image, channel_tile, group, products) -> None:
        """A^T p A of each channel and tile, through the epilogue into the output."""
        e, m, size = self.e, self.m, self.size
        with e.loop(self.nr // LANES, "quad") as quad:
            origins = self._origins(group, quad)
            with e.loop(self.mr, "row") as row:
                channel = e.bind("channel", channel_tile * self.mr + row)
                with e.when(channel < self.workload.co):
                    half = e.registers("half", m * size * LANES)
                    for column in range(size):
                        sums = [
                            self._product(products, r * size + column, row, quad)
                            for r in range(size)
                        ]
                        for i, coefficients in enumerate(self.transforms.at):
                            at = ramp((i * size + column) * LANES)
                            e.store(half, at, linear(coefficients, sums))
                    self._store_tiles(image, channel, origins, half)

    def _product(self, products, place: int, row, quad):
        """The products of four tiles at one place of one channel."""
        return BufferLoad(products, [ramp((place * self.mr + row) * self.nr + quad * LANES)])

    def _store_tiles(self, image, channel, origins, half) -> None:
        """The second half of the output transform of four tiles, and their stores row by row."""
        e, m, size = self.e, self.m, self.size
        # Tile after tile, so that a row of m pixels is consecutive.
        out = e.registers("out", LANES * m * m)
        for i in range(m):
            sums = [self._vector(half, i * size + column) for column in range(size)]
            pixels = [linear(coefficients, sums) for coefficients in self.transforms.at]
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
