"""The loop nest of `conv2d_winograd`: transform tiles, multiply, transform back, store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from .. import hardware
from ..hardware import Core
from ..knobs import Config
from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, ramp
from ..microkernels import kernel
from ..microkernels.base import Following, MicroKernel
from .ahead import following_if_last
from .facts import CORES
from .padding import copy_padded_rows, padded_plane
from .transforms import TILES
from .winograd_tiling import Tiling
from .winograd_transforms import At, Origin, TileTransforms

# Elements. Without them the places of one tile would lie a power of two apart for most numbers of
# channels, in the same few sets of the L1 cache, and push each other out as they are written.
PLACE_PADDING = 16


class WinogradNest:
    """Block by block: transform the tiles of all channels, multiply, transform back, store."""

    def __init__(self, conv: Convolution, core: Core, config: Config) -> None:
        self.conv, self.e, self.workload = conv, conv.e, conv.workload
        self.tile = TILES[config["m"]]
        self.places = self.tile.places
        self.kernel = kernel(core, int(config["mr"]), int(config["nr"]))
        self.mr, self.nr = self.kernel.mr, self.kernel.nr
        self.channel_tiles = -(-self.workload.co // self.mr)
        self.tiling = Tiling(self.workload, self.tile, self.nr)
        self.groups = self.tiling.groups
        self.place_size = self.workload.ci * self.nr + PLACE_PADDING
        self.group_size = self.places * self.place_size
        self.products_size = self.places * self.mr * self.nr
        self.transforms = TileTransforms(self.conv, self.tile, self.tile)
        self.block = min(int(config["block"]), self.groups)
        # Between the two halves of a transform are up to 36 vectors. Where far fewer registers are
        # LLVM spills more than those; then the first halves of several transforms come first.
        self.halves_in_registers = self.places < 2 * core.figures["vector_registers"].value
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
        self._multiply_batch(first_tile, tiles, turns, moved, products)
        with e.loop(tiles, "tile") as tile, e.loop(turns, "group") as group:
            slot = tile * self.block + group
            self._transform_output(image, first_tile + tile, first + group, products, slot)

    def _multiply_batch(self, first_tile, tiles, turns, moved, products) -> None:
        """`products[slot, place, row, tile]` of a batch and all groups of a block."""
        e = self.e
        with e.loop(self.places, "place") as place, e.loop(tiles, "tile") as tile:
            next_tile = self._next_tile(tile, tiles)
            with e.loop(turns, "group") as group:
                self._multiply(
                    self.kernel,
                    (first_tile + tile) * self.places + place,
                    pixels=(moved, group * self.group_size + place * self.place_size),
                    result=(
                        products,
                        (tile * self.block + group) * self.products_size
                        + place * (self.mr * self.nr),
                    ),
                    row_stride=self.nr,
                    following=following_if_last(group, turns, next_tile),
                )

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
            begin, end = self._rows_under(first, turns)
            top = e.bind_opaque("top", begin)
            copy_padded_rows(self.conv, plane, data, top, e.bind_opaque("end", end) - top)
        # TVM compares all indices of a buffer, but not those of a view of it: that takes seconds.
        self._move_tiles(ci, first, turns, e.flat_view(data), start, moved)

    def _rows_under(self, first, turns) -> tuple:
        """(first, end) of the rows of the padded plane that a block's tiles read."""
        return self.tiling.rows_under(first, turns)

    def _move_tiles(self, ci, first, turns, data, start, moved) -> None:
        """The transforms of a channel whose padded plane begins at `data[start]`."""
        e = self.e

        def place_at(group, quad) -> At:
            at = e.bind("at", group * self.group_size + ci * self.nr + quad * LANES)
            return self._place_at(at, self.place_size)

        def origins(group, quad) -> list[Origin]:
            return self.tiling.origins(e, first + group, quad)

        self._move(
            self.transforms, turns, self.tiling.quads, (data, start), origins, moved, place_at
        )

    def _move(
        self,
        transforms: TileTransforms,
        turns,
        quads: int,
        plane: tuple[Any, Any],
        origins: Callable[[Any, Any], list[Origin]],
        moved,
        place_at: Callable[[Any, Any], At],
    ) -> None:
        """B^T d B of all quads of so many groups; `origins` and `place_at` are of a quad."""
        e, size = self.e, transforms.input_half
        halves = None if self.halves_in_registers else e.alloc("halves", self.block * quads * size)
        if halves is not None:
            with e.loop(turns, "group") as group, e.loop(quads, "quad") as quad:
                at = (group * quads + quad) * size
                transforms.halve_input(*plane, origins(group, quad), halves, at)
        with e.loop(turns, "group") as group, e.loop(quads, "quad") as quad:
            half, half_at = halves, (group * quads + quad) * size
            if half is None:
                half, half_at = e.registers("half", size), 0
                transforms.halve_input(*plane, origins(group, quad), half, half_at)
            transforms.finish_input(half, half_at, moved, place_at(group, quad))

    def _place_at(self, start, size: int) -> At:
        """Of places of `size` elements, the first from element `start` on."""
        columns = self.tile.inputs[1]
        return lambda i, j: start + (i * columns + j) * size

    def _multiply(
        self,
        kernel: MicroKernel,
        weight_tile,
        pixels: tuple[Any, Any],
        result: tuple[Any, Any],
        row_stride: int,
        following: Following | None,
    ) -> None:
        """A tile of channels at a place, times as many tiles of pixels as `kernel` has.

        Args:
            pixels, result: buffer, and index of the first element; rows are `row_stride` apart.
        """
        e, ci = self.e, self.workload.ci
        accumulators = e.registers("accumulators", kernel.mr * kernel.nr)
        kernel.emit(
            self.conv,
            accumulators,
            weights=(self.conv.weight, weight_tile * (ci * kernel.mr)),
            pixels=pixels,
            row_stride=row_stride,
            k=ci,
            following=following,
        )
        for row in range(kernel.mr):
            for j in range(0, kernel.nr, LANES):
                at = result[1] + row * row_stride + j
                value = BufferLoad(accumulators, [ramp(row * kernel.nr + j)])
                e.store(result[0], ramp(at), value)

    def _transform_output(self, image, channel_tile, group, products, slot) -> None:
        """A^T p A of each channel and tile, through the epilogue into the output."""

        def origins(quad) -> list[Origin]:
            return self.tiling.origins(self.e, group, quad)

        def place_at(quad, row) -> At:
            at = slot * self.products_size + quad * LANES + row * self.nr
            return self._place_at(at, self.mr * self.nr)

        quads = self.tiling.quads
        self._move_back(self.transforms, quads, origins, products, place_at, image, channel_tile)

    def _move_back(
        self,
        transforms: TileTransforms,
        quads: int,
        origins: Callable[[Any], Sequence[Origin | None]],
        products,
        place_at: Callable[[Any, Any], At],
        image,
        channel_tile,
    ) -> None:
        """The same of some quads; `origins` are of a quad, `place_at` of one and a row."""
        e, size = self.e, transforms.output_half
        with e.loop(quads, "quad") as quad:
            starts = origins(quad)
            halves = None if self.halves_in_registers else e.alloc("halves", self.mr * size)
            if halves is not None:
                with e.loop(self.mr, "row") as row:
                    transforms.halve_output(products, place_at(quad, row), halves, row * size)
            with e.loop(self.mr, "row") as row:
                channel = e.bind("channel", channel_tile * self.mr + row)
                with e.when(channel < self.workload.co):
                    half, half_at = halves, row * size
                    if half is None:
                        half, half_at = e.registers("half", size), 0
                        transforms.halve_output(products, place_at(quad, row), half, half_at)
                    transforms.finish_output(half, half_at, image, channel, starts)
