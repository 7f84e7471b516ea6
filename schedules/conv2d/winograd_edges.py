"""`conv2d_winograd` with narrower tiles where a map's edge leaves one or two rows or columns.

A map of 13x13 is covered by 16 tiles of 4x4, which reach over 16x16 outputs. Its last row and
column need only F(1,3) in one direction, which is evaluated at three of the six points of F(4,3):
the weights at these points are there already, scaled. So the tiles at the lower edge take part in
the products at half of the places, those on the right as well, the corner's at a quarter: 441
products a pair of channels, instead of 576.

A place's tiles lie side by side in the order of `kinds`. Four at a time are transformed, and the
last four of a kind that is no multiple of four reach over those before them; so kinds are written
from the last to the first. Lanes behind the last tile are never written, and never read back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tvm import tirx

from ..hardware import Core
from ..knobs import Config
from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, Emitter
from ..microkernels import kernel, tiles
from ..microkernels.base import Following
from ..workload import Conv2dWorkload
from .padding import padded_plane
from .transforms import Tile
from .winograd_nest import PLACE_PADDING, WinogradNest
from .winograd_transforms import At, Origin, TileTransforms

_MOST_TILES = 24  # of an image: all are one block


@dataclass(frozen=True)
class Kind:
    """Equal tiles of a map.

    Attributes:
        tile: their outputs.
        rows, columns: how many there are.
        row, column: of the first one's first output.
    """

    tile: Tile
    rows: int
    columns: int
    row: int
    column: int

    @property
    def count(self) -> int:
        return self.rows * self.columns

    @property
    def quads(self) -> int:
        return -(-self.count // LANES)

    def is_at(self, i: int, j: int) -> bool:
        """Whether the tiles take part in the products at a place."""
        return i < self.tile.inputs[0] and j < self.tile.inputs[1]

    def first_of(self, quad):
        """The tile in the first lane of a quad; a negative number says how many lanes are void."""
        last = self.count - LANES
        return tirx.min(quad * LANES, last) if self.quads > 1 else last

    def origins(self, e: Emitter, quad, size: tuple[int, int]) -> list[Origin]:
        """Of the tiles of a quad in a map of `size`; those of void lanes are the first tile's."""
        first, origins = self.first_of(quad), []
        for lane in range(LANES):
            tile = e.bind(f"tile{lane}", tirx.max(first + lane, 0))
            row = self.row + tirx.floordiv(tile, self.columns) * self.tile.rows
            column = self.column + tirx.floormod(tile, self.columns) * self.tile.columns
            row = tirx.min(row, size[0] - self.tile.rows)
            column = tirx.min(column, size[1] - self.tile.columns)
            origins.append(
                (e.bind_opaque(f"row{lane}", row), e.bind_opaque(f"column{lane}", column))
            )
        return origins


def kinds(workload: Conv2dWorkload, tile: Tile) -> list[Kind]:
    """The tiles of an image: whole ones, those at the right edge, at the lower one, the corner."""
    (rows, low), (columns, narrow) = _cut(workload.oh, tile.rows), _cut(workload.ow, tile.columns)
    below, right = rows * tile.rows, columns * tile.columns
    return [
        each
        for each in (
            Kind(tile, rows, columns, 0, 0),
            Kind(Tile(tile.rows, narrow), rows, int(narrow > 0), 0, right),
            Kind(Tile(low, tile.columns), int(low > 0), columns, below, 0),
            Kind(Tile(low, narrow), int(low > 0), int(narrow > 0), below, right),
        )
        if each.count
    ]


def _cut(size: int, m: int) -> tuple[int, int]:
    """(tiles of m, what is left); no less is left than a tile of one or two can cover."""
    left = size % m
    return (size // m, left) if left in (1, 2) else (-(-size // m), 0)


def pays(workload: Conv2dWorkload, tile: Tile) -> bool:
    """Whether there are such edges, on a map of whole tiles that is small enough for one block."""
    if workload.oh < tile.rows or workload.ow < tile.columns:
        return False
    there_are = kinds(workload, tile)
    few = sum(kind.count for kind in there_are) <= _MOST_TILES
    return len(there_are) > 1 and few and there_are[0].count >= LANES


def places_by_width(workload: Conv2dWorkload, tile: Tile) -> dict[int, int]:
    """Lanes of a place -> how many places have so many."""
    there_are, counts = kinds(workload, tile), dict[int, int]()
    for i in range(tile.inputs[0]):
        for j in range(tile.inputs[1]):
            width = _width(there_are, i, j)
            counts[width] = counts.get(width, 0) + 1
    return counts


def pieces(width: int, nr: int) -> list[int]:
    """The tiles of pixels that cover a place: as many of NR as there are, then of four."""
    whole, rest = divmod(width, nr)
    return [nr] * whole + [LANES] * (rest // LANES)


def is_covered(workload: Conv2dWorkload, tile: Tile, core: Core, mr: int, nr: int) -> bool:
    """Whether there are micro-kernels of MR rows for all pieces."""
    widths = places_by_width(workload, tile)
    used = {(mr, each) for width in widths for each in pieces(width, nr)}
    return used <= set(tiles(core)) and (mr, nr) in used


def _width(there_are: list[Kind], i: int, j: int) -> int:
    """Lanes of a place, a multiple of four."""
    return -(-sum(kind.count for kind in there_are if kind.is_at(i, j)) // LANES) * LANES


class EdgedNest(WinogradNest):
    """All tiles of an image are one block."""

    def __init__(self, conv: Convolution, core: Core, config: Config) -> None:
        super().__init__(conv, core, {**config, "block": 1})
        self.kinds = kinds(self.workload, self.tile)
        width = max(places_by_width(self.workload, self.tile))
        self.groups = 1
        self.place_size = self.workload.ci * width + PLACE_PADDING
        self.group_size = self.places * self.place_size
        self.product_size = self.mr * width
        self.products_size = self.places * self.product_size
        self.together = self._tiles_together(core)
        self.batches = -(-self.channel_tiles // self.together)
        self.kernels = {
            nr: kernel(core, self.mr, nr)
            for width in places_by_width(self.workload, self.tile)
            for nr in pieces(width, self.nr)
        }

    def _lane(self, kind: Kind, i: int, j: int) -> int:
        """Of a kind's first tile, at a place."""
        before = self.kinds[: self.kinds.index(kind)]
        return sum(each.count for each in before if each.is_at(i, j))

    def _origins(self, kind: Kind, quad) -> list[Origin]:
        return kind.origins(self.e, quad, (self.workload.oh, self.workload.ow))

    def _transforms(self, kind: Kind) -> TileTransforms:
        return TileTransforms(self.conv, kind.tile, self.tile)

    def _rows_under(self, first, turns) -> tuple:
        return 0, padded_plane(self.workload)[0]

    def _move_tiles(self, ci, first, turns, data, start, moved) -> None:
        for kind in reversed(self.kinds):
            self._move_kind(kind, ci, (data, start), moved)

    def _move_kind(self, kind: Kind, ci, plane: tuple[Any, Any], moved) -> None:
        """The transforms of a channel's tiles of a kind."""
        columns = self.tile.inputs[1]

        def place_at(group, quad) -> At:
            # Rows of one width are the same multiples of `ci` at all places.
            rows = {
                width: self.e.bind("row", ci * width + kind.first_of(quad))
                for width in places_by_width(self.workload, self.tile)
            }
            return lambda i, j: (
                rows[_width(self.kinds, i, j)]
                + (i * columns + j) * self.place_size
                + self._lane(kind, i, j)
            )

        def origins(group, quad) -> list[Origin]:
            return self._origins(kind, quad)

        transforms = self._transforms(kind)
        self._move(transforms, 1, kind.quads, plane, origins, moved, place_at)

    def _multiply_batch(self, first_tile, tiles, turns, moved, products) -> None:
        """A place has one or two pieces: the last one always fetches the next place's weights.

        At the end of a run of places, that is not where the next run begins.
        """
        e = self.e
        for i, j, width in self._runs_of_places():
            with e.loop(len(i), "i") as row, e.loop(len(j), "j") as column:
                place = (row + i.start) * self.tile.inputs[1] + column + j.start
                with e.loop(tiles, "tile") as tile:
                    next_tile = self._next_tile(tile, tiles)
                    there_are, lane = pieces(width, self.nr), 0
                    for number, nr in enumerate(there_are):
                        result = tile * self.products_size + place * self.product_size + lane
                        self._multiply(
                            self.kernels[nr],
                            (first_tile + tile) * self.places + place,
                            pixels=(moved, place * self.place_size + lane),
                            result=(products, result),
                            row_stride=width,
                            following=Following(number == len(there_are) - 1, next_tile),
                        )
                        lane += nr

    def _runs_of_places(self) -> Iterator[tuple[range, range, int]]:
        """(rows, columns, lanes) of places with equally many lanes."""
        rows, columns = self.tile.inputs
        for upper, end in self._split(rows, [kind.tile.inputs[0] for kind in self.kinds]):
            runs = [
                (range(left, right), _width(self.kinds, upper, left))
                for left, right in self._split(
                    columns, [kind.tile.inputs[1] for kind in self.kinds]
                )
            ]
            if len({width for _, width in runs}) == 1:
                runs = [(range(columns), runs[0][1])]
            for places, width in runs:
                yield range(upper, end), places, width

    @staticmethod
    def _split(size: int, at: list[int]) -> list[tuple[int, int]]:
        """(first, end) of the runs between the given places."""
        marks = sorted({0, size, *at})
        return list(pairwise(marks))

    def _transform_output(self, image, channel_tile, group, products, slot) -> None:
        for kind in self.kinds:
            self._move_kind_back(kind, image, channel_tile, products, slot)

    def _move_kind_back(self, kind: Kind, image, channel_tile, products, slot) -> None:
        """The sums of a kind's tiles, through the epilogue into the output."""
        columns, void = self.tile.inputs[1], max(LANES - kind.count, 0)

        def place_at(quad, row) -> At:
            at = slot * self.products_size + kind.first_of(quad)
            return lambda i, j: (
                at
                + (i * columns + j) * self.product_size
                + row * _width(self.kinds, i, j)
                + self._lane(kind, i, j)
            )

        def origins(quad) -> list[Origin | None]:
            return [*[None] * void, *self._origins(kind, quad)[void:]]

        transforms = self._transforms(kind)
        self._move_back(transforms, kind.quads, origins, products, place_at, image, channel_tile)
