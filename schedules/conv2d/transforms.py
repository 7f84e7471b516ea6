"""The transforms of Winograd's minimal filtering, and their use in expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tvm import tirx


class Transform(NamedTuple):
    """Y = A^T [(G g G^T) * (B^T d B)] A for a 3x3 kernel g and an (m + 2)^2 input tile d."""

    bt: np.ndarray  # (m + 2, m + 2)
    g: np.ndarray  # (m + 2, 3)
    at: np.ndarray  # (m, m + 2)


# Lavin and Gray (2015), section 4: points 0, 1, -1 (and 2, -2) and infinity.
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
                [0, -2, -1, 2, 1, 0],
                [0, 2, -1, -2, 1, 0],
                [0, 4, 0, -5, 0, 1],
            ]
        ),
        g=np.array(
            [
                [1 / 4, 0, 0],
                [-1 / 6, -1 / 6, -1 / 6],
                [-1 / 6, 1 / 6, -1 / 6],
                [1 / 24, 1 / 12, 1 / 6],
                [1 / 24, -1 / 12, 1 / 6],
                [0, 0, 1],
            ]
        ),
        at=np.array(
            [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
        ),
    ),
}


def linear(coefficients: Sequence[float], vectors: Sequence):
    """The sum of `vectors` times their coefficients; ones and zeros cost nothing."""
    total = None
    for coefficient, vector in zip(coefficients, vectors, strict=True):
        if coefficient == 0:
            continue
        if total is None:
            total = vector if coefficient == 1 else vector * _splat(coefficient)
        elif coefficient == 1:
            total = total + vector
        elif coefficient == -1:
            total = total - vector
        else:
            total = total + vector * _splat(coefficient)
    assert total is not None
    return total


def _splat(coefficient: float):
    return tirx.Broadcast(tirx.const(float(coefficient), "float32"), 4)


def table(matrix: np.ndarray, i, j):
    """`matrix[i, j]` for index expressions, as nested selections."""
    value = tirx.const(0.0, "float32")
    for row, column in np.argwhere(matrix != 0):
        entry = tirx.const(float(matrix[row, column]), "float32")
        value = tirx.Select(tirx.all(i == int(row), j == int(column)), entry, value)
    return value
