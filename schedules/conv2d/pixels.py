"""How output pixels are cut into tiles of NR: tails overlap the tile before, so none is partial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from ..lowering.emit import LANES, Emitter
from ..workload import Conv2dWorkload


@dataclass(frozen=True)
class Run:
    """Pixels that lie side by side, or every second one of them in pairs.

    Attributes:
        start: place of the first in the tile.
        length: how many.
        offset: flat index of the first in its plane, as an expression.
        pairs: of every second pixel of the plane, four: indices of the first and the third.
    """

    start: int
    length: int
    offset: Any
    pairs: tuple[Any, ...] = ()


class PixelTiling(ABC):
    """Tiles of `nr` output pixels of one image.

    Attributes:
        nr: pixels a tile.
        count: tiles an image.
        input_width: columns of the input plane that is read, padding included.
        is_in_pairs: whether `input_runs` are of every second pixel, with their `pairs`.
    """

    nr: int
    count: int
    is_in_pairs = False

    def __init__(self, workload: Conv2dWorkload) -> None:
        self.workload = workload
        self.input_width = workload.w + workload.padding[1] + workload.padding[3]

    @abstractmethod
    def origin(self, e: Emitter, tile) -> tuple:
        """Emits and returns the coordinates of the tile's first pixel."""

    @abstractmethod
    def output_runs(self, origin: tuple) -> list[Run]:
        """The tile's pixels in an output plane of OH x OW."""

    @abstractmethod
    def input_runs(self, e: Emitter, origin: tuple) -> list[Run]:
        """The input pixels under kernel tap (0, 0), in a plane of `input_width` columns."""

    def _input_offset(self, y, x):
        stride = self.workload.stride
        return y * (stride[0] * self.input_width) + x * stride[1]


class FlatTiling(PixelTiling):
    """NR consecutive pixels of the whole map: at most one overlapped tile, whatever the width."""

    def __init__(self, workload: Conv2dWorkload, nr: int) -> None:
        super().__init__(workload)
        self.nr = nr
        self.count = -(-workload.pixels // nr)
        # Two pixels in one row each, which one vector of four reads, without leaving the row.
        reach = 2 * workload.ow + (workload.kw - 1) * workload.dilation[1]
        is_even = workload.ow % 2 == 0 and nr % LANES == 0 and workload.pixels >= nr
        self.is_in_pairs = is_even and workload.stride[1] == 2 and reach <= self.input_width

    def origin(self, e, tile):
        last = max(self.workload.pixels - self.nr, 0)
        return (e.bind("pixel", tirx.min(tile * self.nr, last)),)

    def output_runs(self, origin):
        return [Run(0, min(self.nr, self.workload.pixels), origin[0])]

    def input_offset(self, pixel):
        """Flat index of the input pixel under kernel tap (0, 0), in a plane."""
        if self.workload.is_pointwise:
            return pixel
        ow = self.workload.ow
        return self._input_offset(tirx.floordiv(pixel, ow), tirx.floormod(pixel, ow))

    def input_runs(self, e, origin):
        if self.workload.is_pointwise and self.workload.pixels >= self.nr:
            return [Run(0, self.nr, origin[0])]
        if self.is_in_pairs:
            return self._pairs(e, origin[0])
        runs = []
        for i in range(self.nr):
            pixel = tirx.min(origin[0] + i, self.workload.pixels - 1)
            runs.append(Run(i, 1, e.bind(f"at{i}", self.input_offset(pixel))))
        return runs

    def _pairs(self, e, first) -> list[Run]:
        at = [e.bind(f"at{i}", self.input_offset(first + i)) for i in range(0, self.nr, LANES // 2)]
        return [
            Run(LANES * n, LANES, at[2 * n], tuple(at[2 * n : 2 * n + 2]))
            for n in range(self.nr // LANES)
        ]


class LastTile(FlatTiling):
    """The last NR pixels of the map, as one tile."""

    def __init__(self, workload: Conv2dWorkload, nr: int) -> None:
        super().__init__(workload, nr)
        self.count = 1

    def origin(self, e, tile):
        return (self.workload.pixels - self.nr,)


class WholeTiles(FlatTiling):
    """As many whole tiles of NR pixels as there are; what is left is another tile's."""

    def __init__(self, workload: Conv2dWorkload, nr: int) -> None:
        super().__init__(workload, nr)
        self.count = workload.pixels // nr


class RectTiling(PixelTiling):
    """VH x VW rectangles: rows are copied and stored as vectors, at the price of overlap."""

    def __init__(self, workload: Conv2dWorkload, vh: int, vw: int) -> None:
        super().__init__(workload)
        self.vh, self.vw = vh, vw
        self.nr = vh * vw
        self.columns = -(-workload.ow // vw)
        self.count = -(-workload.oh // vh) * self.columns

    def origin(self, e, tile):
        row, column = tirx.floordiv(tile, self.columns), tirx.floormod(tile, self.columns)
        y = e.bind("y", tirx.min(row * self.vh, self.workload.oh - self.vh))
        x = e.bind("x", tirx.min(column * self.vw, self.workload.ow - self.vw))
        return (y, x)

    def output_runs(self, origin):
        y, x = origin
        return [Run(v * self.vw, self.vw, (y + v) * self.workload.ow + x) for v in range(self.vh)]

    def input_runs(self, e, origin):
        y, x = origin
        length = self.vw if self.workload.stride[1] == 1 else 1
        return [
            Run(
                v * self.vw + u,
                length,
                e.bind(f"at{v}_{u}", self._input_offset(y + v, x + u)),
            )
            for v in range(self.vh)
            for u in range(0, self.vw, length)
        ]
