"""The transforms of Winograd's minimal filtering, and their use in expressions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tvm import tirx


class Transform(NamedTuple):
    """Y = A^T [(G g G^T) * (B^T d B)] A for a 3x3 kernel g and an (m + 2)^2 input tile d."""

    bt: np.ndarray  # (m + 2, m + 2)
    g: np.ndarray  # (m + 2, 3)
    at: np.ndarray  # (m, m + 2)


# Lavin and Gray (2015), section 4: points 0, 1, -1, infinity (and 2, -2), in this order: what the
# first so many points suffice for, at the edge of a map, is computed with the same weights.
TRANSFORMS = {
    2: Transform(
        bt=np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
        g=np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),
        at=np.array([[1, 1, 1, 0], [0, 1, -1, -1]]),
    ),
    4: Transform(
        bt=np.array(
            [
                [4, 0, -5, 0, 1, 0],
                [0, -4, -4, 1, 1, 0],
                [0, 4, -4, -1, 1, 0],
                [0, 4, 0, -5, 0, 1],
                [0, -2, -1, 2, 1, 0],
                [0, 2, -1, -2, 1, 0],
            ]
        ),
        g=np.array(
            [
                [1 / 4, 0, 0],
                [-1 / 6, -1 / 6, -1 / 6],
                [-1 / 6, 1 / 6, -1 / 6],
                [0, 0, 1],
                [1 / 24, 1 / 12, 1 / 6],
                [1 / 24, -1 / 12, 1 / 6],
            ]
        ),
        at=np.array(
            [[1, 1, 1, 0, 1, 1], [0, 1, -1, 0, 2, -2], [0, 1, 1, 0, 4, 4], [0, 1, -1, 1, 8, -8]]
        ),
    ),
}

# How much smaller F(4,3)'s weights are than F(1,3)'s and F(2,3)'s at the points 0, 1, -1 and
# infinity: inputs make up for it.
_SCALES = (4, -3, -3, 1)


class Tile(NamedTuple):
    """F(rows x columns, 3 x 3): the outputs that are computed together."""

    rows: int
    columns: int

    @property
    def inputs(self) -> tuple[int, int]:
        """Rows and columns of the input under a tile, and of its transform."""
        return self.rows + 2, self.columns + 2

    @property
    def places(self) -> int:
        """Products that a tile of outputs costs for each pair of channels."""
        return math.prod(self.inputs)


TILES: dict[int | str, Tile] = {
    2: Tile(2, 2),
    "2x4": Tile(2, 4),
    4: Tile(4, 4),
    "4e": Tile(4, 4),
    "2e": Tile(2, 2),
}
"""What the knob `m` may be. Of the "e", tiles at the edge of a map are narrower."""

EDGED: dict[int | str, str] = {4: "4e", 2: "2e"}
"""Of whole tiles, those that are narrower at the edge."""


def input_rows(m: int, d: Sequence, base: int) -> list:
    """B^T d for vectors `d`, with sums that rows share computed once.

    F(4,3) takes 12 operations instead of the 22 of its coefficients (counted with fused
    multiply-adds); LLVM finds the shared ones again, but may not regroup floating-point sums.

    Args:
        m: outputs: 2, 4, or 1 at an edge.
        base: the m of the weights; more than `m` at an edge.
    """
    if m < 4:
        few = [d[0] - d[2], d[1] + d[2], d[2] - d[1]]
        if m == 2:
            few.append(d[1] - d[3])
        return (
            few
            if base < 4
            else [_times(scale, row) for scale, row in zip(_SCALES[: m + 2], few, strict=True)]
        )
    near, far = d[4] - _times(4, d[2]), d[3] - _times(4, d[1])
    even, odd = d[4] - d[2], _times(2, d[3] - d[1])
    return [
        d[4] - _times(5, d[2]) + _times(4, d[0]),
        near + far,
        near - far,
        d[5] - _times(5, d[3]) + _times(4, d[1]),
        even + odd,
        even - odd,
    ]


def output_rows(m: int, p: Sequence) -> list:
    """A^T p for vectors `p`; F(4,3) in 10 operations instead of 14."""
    total, difference = p[1] + p[2], p[1] - p[2]
    if m == 1:
        return [p[0] + total]
    if m == 2:
        return [p[0] + total, difference - p[3]]
    far_total, far_difference = p[4] + p[5], p[4] - p[5]
    return [
        p[0] + total + far_total,
        difference + _times(2, far_difference),
        total + _times(4, far_total),
        difference + _times(8, far_difference) + p[3],
    ]


def transposed(rows: Sequence) -> list:
    """The columns of four vectors of four elements.

    Two at a time, as ARM's `trn1` and `trn2`, `vtrn` and `vswp` do it: of shuffles of four vectors
    LLVM makes twice as many instructions.
    """
    halves = [
        tirx.Shuffle([upper, lower], lanes)
        for upper, lower in (rows[:2], rows[2:])
        for lanes in ([0, 4, 2, 6], [1, 5, 3, 7])
    ]
    even, odd = halves[::2], halves[1::2]
    return [
        tirx.Shuffle(pair, lanes) for lanes in ([0, 1, 4, 5], [2, 3, 6, 7]) for pair in (even, odd)
    ]


def _times(coefficient: int, vector):
    return vector * tirx.Broadcast(tirx.const(float(coefficient), "float32"), 4)


def table(matrix: np.ndarray, i, j):
    """`matrix[i, j]` for index expressions, as nested selections."""
    value = tirx.const(0.0, "float32")
    for row, column in np.argwhere(matrix != 0):
        entry = tirx.const(float(matrix[row, column]), "float32")
        value = tirx.Select(tirx.all(i == int(row), j == int(column)), entry, value)
    return value
