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
from tvm.tirx import BufferLoad, ForKind

from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution, annotated
from ..lowering.emit import LANES, ramp
from ..microkernels import kernel, tiles
from ..registry import Schedule, schedule
from ..workload import Conv2dWorkload
from .facts import NestShape
from .padding import emit_padded, pad_compute, padded_plane
from .transforms import TRANSFORMS, linear, table

# Elements. Without them the places of one tile would lie a power of two apart for most numbers of
# channels, in the same few sets of the L1 cache, and push each other out as they are written.
_PLACE_PADDING = 16


@schedule("conv2d_winograd", version=1)
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
            return (
                (mr, nr) in tiles(core)
                and (mr <= workload.co or mr == 4)
                and (nr <= _tile_count(workload, m) or nr == 4)
                and m <= min(workload.oh, workload.ow)
            )

        return KnobSpace(
            {
                "m": (2, 4),
                "mr": (4, 6, 8, 12),
                "nr": (4, 8, 12, 16),
                "share": ("pixels", "channels"),
            },
            allowed,
        )

    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        def cost(config: Config) -> float:
            """Products with idle lanes and rows counted, and loads beside them."""
            m, mr, nr = int(config["m"]), int(config["mr"]), int(config["nr"])
            rows = -(-workload.co // mr) * mr
            columns = -(-_tile_count(workload, m) // nr) * nr
            return (m + 2) ** 2 * rows * columns * (1 + (mr + nr) / (mr * nr))

        weights_stream = 4 * 36 * workload.ci * workload.co > core.l1d_bytes * 8
        share = "channels" if weights_stream else "pixels"
        return min(
            (config for config in self.space(workload, core) if config["share"] == share),
            key=lambda config: (cost(config), str(config)),
        )

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
        count = -(-_tile_count(workload, m) // nr)
        nest = NestShape(
            mr=int(config["mr"]),
            nr=nr,
            pixel_tiles=count,
            covered=count * nr * m * m,
            block=1,
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
        rows, columns = _tile_grid(workload, m)
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
        nest = _Nest(conv, core, config)
        if config["share"] == "channels":
            nest.emit_over_channels()
        else:
            nest.emit_over_pixels()


def _tile_grid(workload: Conv2dWorkload, m: int) -> tuple[int, int]:
    return -(-workload.oh // m), -(-workload.ow // m)


def _tile_count(workload: Conv2dWorkload, m: int) -> int:
    rows, columns = _tile_grid(workload, m)
    return rows * columns


class _Nest:
    """The loop nest: transform NR tiles of all channels, multiply, transform back, store."""

    def __init__(self, conv: Convolution, core: Core, config: Config) -> None:
        self.conv, self.e, self.workload = conv, conv.e, conv.workload
        self.m = int(config["m"])
        self.size = self.m + 2
        self.places = self.size**2
        self.kernel = kernel(core, int(config["mr"]), int(config["nr"]))
        self.mr, self.nr = self.kernel.mr, self.kernel.nr
        self.channel_tiles = -(-self.workload.co // self.mr)
        self.count = _tile_count(self.workload, self.m)
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
        _, columns = _tile_grid(workload, self.m)
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
                half = e.alloc("half", self.places * LANES, scope="local")
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
            accumulators = e.alloc("accumulators", self.mr * self.nr, scope="local")
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
                    half = e.alloc("half", m * size * LANES, scope="local")
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
        out = e.alloc("out", LANES * m * m, scope="local")
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
