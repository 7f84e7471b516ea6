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
from .ahead import following_if_last
from .facts import CORES
from .padding import copy_padded_rows, padded_plane
from .transforms import TILES
from .winograd_tiling import Tiling
from .winograd_transforms import TileTransforms

# Elements. Without them the places of one tile would lie a power of two apart for most numbers of
# channels, in the same few sets of the L1 cache, and push each other out as they are written.
_PLACE_PADDING = 16


class WinogradNest:
    """Block by block: transform the tiles of all channels, multiply, transform back, store."""

    def __init__(self, conv: Convolution, core: Core, config: Config) -> None:
        self.conv, self.e, self.workload = conv, conv.e, conv.workload
        self.places = TILES[config["m"]].places
        self.kernel = kernel(core, int(config["mr"]), int(config["nr"]))
        self.mr, self.nr = self.kernel.mr, self.kernel.nr
        self.channel_tiles = -(-self.workload.co // self.mr)
        self.tiling = Tiling(self.workload, TILES[config["m"]], self.nr)
        self.groups = self.tiling.groups
        self.place_size = self.workload.ci * self.nr + _PLACE_PADDING
        self.group_size = self.places * self.place_size
        self.products_size = self.places * self.mr * self.nr
        self.transforms = TileTransforms(self.conv, self.tiling, self.place_size, self.mr * self.nr)
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
            begin, end = self.tiling.rows_under(first, turns)
            top = e.bind_opaque("top", begin)
            copy_padded_rows(self.conv, plane, data, top, e.bind_opaque("end", end) - top)
        # TVM compares all indices of a buffer, but not those of a view of it: that takes seconds.
        data = e.flat_view(data)
        quads, size = self.tiling.quads, self.transforms.input_half
        halves = None if self.halves_in_registers else e.alloc("halves", self.block * quads * size)
        if halves is not None:
            with e.loop(turns, "group") as group, e.loop(quads, "quad") as quad:
                at = (group * quads + quad) * size
                self.transforms.halve_input(data, start, first + group, quad, halves, at)
        with e.loop(turns, "group") as group, e.loop(quads, "quad") as quad:
            half, half_at = halves, (group * quads + quad) * size
            if half is None:
                half, half_at = e.registers("half", size), 0
                self.transforms.halve_input(data, start, first + group, quad, half, half_at)
            at = e.bind("at", group * self.group_size + ci * self.nr + quad * LANES)
            self.transforms.finish_input(half, half_at, moved, at)

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
            following=following_if_last(group, turns, next_tile),
        )
        result = slot * self.products_size + place * (self.mr * self.nr)
        for i in range(0, self.mr * self.nr, LANES):
            e.store(products, ramp(result + i), BufferLoad(accumulators, [ramp(i)]))

    def _transform_output(self, image, channel_tile, group, products, slot) -> None:
        """A^T p A of each channel and tile, through the epilogue into the output."""
        e, size = self.e, self.transforms.output_half
        with e.loop(self.tiling.quads, "quad") as quad:
            origins = self.tiling.origins(e, group, quad)
            at = slot * self.products_size + quad * LANES
            halves = None if self.halves_in_registers else e.alloc("halves", self.mr * size)
            if halves is not None:
                with e.loop(self.mr, "row") as row:
                    self.transforms.halve_output(products, at + row * self.nr, halves, row * size)
            with e.loop(self.mr, "row") as row:
                channel = e.bind("channel", channel_tile * self.mr + row)
                with e.when(channel < self.workload.co):
                    half, half_at = halves, row * size
                    if half is None:
                        half, half_at = e.registers("half", size), 0
                        self.transforms.halve_output(products, at + row * self.nr, half, half_at)
                    self.transforms.finish_output(half, half_at, image, channel, origins)
