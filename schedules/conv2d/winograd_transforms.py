"""The transforms of `conv2d_winograd`, four tiles at once: input to places, products to output."""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx
from tvm.tirx import BufferLoad

from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, ramp
from .padding import padded_plane
from .transforms import input_rows, output_rows, transposed
from .winograd_tiling import Tiling


@dataclass(frozen=True)
class TileTransforms:
    """Emits the halves of both transforms; what is between them is in a buffer.

    Attributes:
        place_stride: elements from one place of a transformed channel to the next.
        product_stride: the same of products.
    """

    conv: Convolution
    tiling: Tiling
    place_stride: int
    product_stride: int

    @property
    def input_half(self) -> int:
        """Elements between the halves of the input's transform."""
        return self.tiling.tile.places * LANES

    @property
    def output_half(self) -> int:
        """Elements between the halves of the output's transform."""
        return self.tiling.tile.rows * self.tiling.tile.inputs[1] * LANES

    def halve_input(self, data, plane, group, quad, half, start) -> None:
        """d B of one channel of four tiles into `half` from element `start`.

        Args:
            data, plane: a padded plane and where it begins.
        """
        e, tile = self.conv.e, self.tiling.tile
        rows, columns = tile.inputs
        _, width = padded_plane(self.tiling.workload)
        offsets = [
            e.bind(f"offset{lane}", row * width + column)
            for lane, (row, column) in enumerate(self.tiling.origins(e, group, quad))
        ]
        for r in range(rows):
            pixels = self._pixels(data, plane + r * width, offsets)
            for j, value in enumerate(input_rows(tile.columns, pixels)):
                e.store(half, ramp(start + (r * columns + j) * LANES), value)

    def _pixels(self, data, row, offsets: list) -> list:
        """A row of the input under four tiles: the vector of each column has a lane of each tile.

        Four columns at a time are loaded from each tile: of six the first four and the last four.
        """
        e, (_, columns) = self.conv.e, self.tiling.tile.inputs

        def four(first: int) -> list:
            vectors = [BufferLoad(data, [ramp(row + offset + first)]) for offset in offsets]
            return transposed([e.bind_vector("pixels", each) for each in vectors])

        first = four(0)
        return first if columns == LANES else first + four(columns - LANES)[2 * LANES - columns :]

    def finish_input(self, half, start, moved, at) -> None:
        """B^T (d B) from `half` into `moved` from element `at`, place by place."""
        tile = self.tiling.tile
        rows, columns = tile.inputs
        for j in range(columns):
            places = [start + (r * columns + j) * LANES for r in range(rows)]
            values = [BufferLoad(half, [ramp(place)]) for place in places]
            for i, value in enumerate(input_rows(tile.rows, values)):
                self.conv.e.store(moved, ramp(at + (i * columns + j) * self.place_stride), value)

    def halve_output(self, products, at, half, start) -> None:
        """A^T p of one channel of four tiles, `p` from element `at`, into `half`."""
        tile = self.tiling.tile
        rows, columns = tile.inputs
        for column in range(columns):
            places = [at + (r * columns + column) * self.product_stride for r in range(rows)]
            sums = [BufferLoad(products, [ramp(place)]) for place in places]
            for i, value in enumerate(output_rows(tile.rows, sums)):
                self.conv.e.store(half, ramp(start + (i * columns + column) * LANES), value)

    def finish_output(self, half, start, image, channel, origins) -> None:
        """(A^T p) A from `half`, through the epilogue into the output: a row of all four tiles
        after the other, as they mostly lie side by side."""
        e, (rows, m), (_, columns) = self.conv.e, self.tiling.tile, self.tiling.tile.inputs
        out = e.registers("out", rows * LANES * m)
        for i in range(rows):
            row = start + i * columns * LANES
            sums = [BufferLoad(half, [ramp(row + c * LANES)]) for c in range(columns)]
            pixels = [e.bind_vector("pixels", each) for each in output_rows(m, sums)]
            by_tile = transposed(pixels) if m == LANES else None
            for lane, (y, x) in enumerate(origins):
                first = (i * LANES + lane) * m
                if by_tile:
                    e.store(out, ramp(first), by_tile[lane])
                else:
                    for j in range(m):
                        e.store(out, first + j, tirx.Shuffle([pixels[j]], [lane]))
                offset = (y + i) * self.tiling.workload.ow + x
                self.conv.store_row(image, channel, offset, out, first, m)
