"""The transforms of `conv2d_winograd`, four tiles at once: input to places, products to output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.tirx import BufferLoad

from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, ramp
from .padding import padded_plane
from .transforms import Tile, input_rows, output_rows, transposed

At = Callable[[int, int], Any]
"""Row and column of a place -> index of what four tiles have there."""

Origin = tuple[Any, Any]
"""Row and column of a tile's first output, and of the padded plane under it."""


@dataclass(frozen=True)
class TileTransforms:
    """Emits the halves of both transforms; what is between them is in a buffer.

    Attributes:
        tile: outputs of a tile: the weights' tile, or less of its rows or columns at an edge.
        weights: the tile whose points the weights are evaluated at.
    """

    conv: Convolution
    tile: Tile
    weights: Tile

    @property
    def input_half(self) -> int:
        """Elements between the halves of the input's transform."""
        return self.tile.places * LANES

    @property
    def output_half(self) -> int:
        """Elements between the halves of the output's transform."""
        return self.tile.rows * self.tile.inputs[1] * LANES

    def halve_input(self, data, plane, origins: Sequence[Origin], half, start) -> None:
        """d B of one channel of four tiles into `half` from element `start`.

        Args:
            data, plane: a padded plane and where it begins.
        """
        e, (rows, columns) = self.conv.e, self.tile.inputs
        _, width = padded_plane(self.conv.workload)
        offsets = [
            e.bind(f"offset{lane}", row * width + column)
            for lane, (row, column) in enumerate(origins)
        ]
        for r in range(rows):
            pixels = self._pixels(data, plane + r * width, offsets)
            moved = input_rows(self.tile.columns, pixels, self.weights.columns)
            for j, value in enumerate(moved):
                e.store(half, ramp(start + (r * columns + j) * LANES), value)

    def _pixels(self, data, row, offsets: list) -> list:
        """A row of the input under four tiles: the vector of each column has a lane of each tile.

        Four columns at a time are loaded from each tile: of six the first four and the last four;
        of three, which are at the right edge, those and the one before.
        """
        e, (_, columns) = self.conv.e, self.tile.inputs

        def four(first: int) -> list:
            vectors = [BufferLoad(data, [ramp(row + offset + first)]) for offset in offsets]
            return transposed([e.bind_vector("pixels", each) for each in vectors])

        if columns < LANES:
            return four(columns - LANES)[LANES - columns :]
        first = four(0)
        return first if columns == LANES else first + four(columns - LANES)[2 * LANES - columns :]

    def finish_input(self, half, start, moved, at: At) -> None:
        """B^T (d B) from `half` into `moved`, place by place."""
        rows, columns = self.tile.inputs
        for j in range(columns):
            places = [start + (r * columns + j) * LANES for r in range(rows)]
            values = [BufferLoad(half, [ramp(place)]) for place in places]
            for i, value in enumerate(input_rows(self.tile.rows, values, self.weights.rows)):
                self.conv.e.store(moved, ramp(at(i, j)), value)

    def halve_output(self, products, at: At, half, start) -> None:
        """A^T p of one channel of four tiles into `half`."""
        rows, columns = self.tile.inputs
        for column in range(columns):
            sums = [BufferLoad(products, [ramp(at(r, column))]) for r in range(rows)]
            for i, value in enumerate(output_rows(self.tile.rows, sums)):
                self.conv.e.store(half, ramp(start + (i * columns + column) * LANES), value)

    def finish_output(self, half, start, image, channel, origins: Sequence[Origin | None]) -> None:
        """(A^T p) A from `half`, through the epilogue into the output: a row of all four tiles
        after the other, as they mostly lie side by side. Lanes without an origin are left out."""
        e, (rows, m), (_, columns) = self.conv.e, self.tile, self.tile.inputs
        out = e.registers("out", rows * LANES * m)
        for i in range(rows):
            row = start + i * columns * LANES
            sums = [BufferLoad(half, [ramp(row + c * LANES)]) for c in range(columns)]
            pixels = [e.bind_vector("pixels", each) for each in output_rows(m, sums)]
            by_tile = transposed(pixels) if m == LANES else None
            for lane, origin in enumerate(origins):
                if origin is None:
                    continue
                y, x = origin
                first = (i * LANES + lane) * m
                if by_tile:
                    e.store(out, ramp(first), by_tile[lane])
                else:
                    for j in range(m):
                        e.store(out, first + j, tirx.Shuffle([pixels[j]], [lane]))
                offset = (y + i) * self.conv.workload.ow + x
                self.conv.store_row(image, channel, offset, out, first, m)
