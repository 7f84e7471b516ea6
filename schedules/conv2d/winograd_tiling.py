"""Where the tiles of `conv2d_winograd` lie."""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx

from ..lowering.emit import LANES, Emitter
from ..workload import Conv2dWorkload
from .transforms import Tile


def tile_grid(workload: Conv2dWorkload, tile: Tile) -> tuple[int, int]:
    """Rows and columns of tiles that cover the output; the last ones overlap."""
    return -(-workload.oh // tile.rows), -(-workload.ow // tile.columns)


def tile_count(workload: Conv2dWorkload, tile: Tile) -> int:
    """Tiles of one image."""
    rows, columns = tile_grid(workload, tile)
    return rows * columns


@dataclass(frozen=True)
class Tiling:
    """The tiles of an image in groups of NR, each group in quads: a tile a lane of a vector."""

    workload: Conv2dWorkload
    tile: Tile
    nr: int

    @property
    def count(self) -> int:
        """Tiles of one image."""
        return tile_count(self.workload, self.tile)

    @property
    def groups(self) -> int:
        """Groups of one image."""
        return -(-self.count // self.nr)

    @property
    def quads(self) -> int:
        """Quads of a group."""
        return self.nr // LANES

    def first_tile(self, group):
        """Where a group begins; the last one early enough to be whole."""
        return tirx.min(group * self.nr, max(self.count - self.nr, 0))

    def first_row(self, tile):
        """The first row of the output in a tile, and of the padded plane under it."""
        _, columns = tile_grid(self.workload, self.tile)
        row = tirx.floordiv(tile, columns) * self.tile.rows
        return tirx.min(row, self.workload.oh - self.tile.rows)

    def rows_under(self, first, groups) -> tuple:
        """(first, end) of the rows of the padded plane under so many groups."""
        last = tirx.min((first + groups) * self.nr - 1, self.count - 1)
        return self.first_row(self.first_tile(first)), self.first_row(last) + self.tile.inputs[0]

    def origins(self, e: Emitter, group, quad) -> list[tuple]:
        """(row, column) of the first output pixel of four tiles of a group."""
        _, columns = tile_grid(self.workload, self.tile)
        first = self.first_tile(group) + quad * LANES
        origins = []
        for lane in range(LANES):
            tile = first + lane
            if self.count < self.nr:
                tile = tirx.min(tile, self.count - 1)
            tile = e.bind(f"tile{lane}", tile)
            row = self.first_row(tile)
            column = tirx.floormod(tile, columns) * self.tile.columns
            column = tirx.min(column, self.workload.ow - self.tile.columns)
            origins.append(
                (e.bind_opaque(f"row{lane}", row), e.bind_opaque(f"column{lane}", column))
            )
        return origins
