"""Shapes and constants of Relax expressions."""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax

from tuner.networks.nnvm.errors import Unusable

_WRONG_PARAMETERS = "give the parameters that were saved with this graph"


def shape_of(value: relax.Expr) -> tuple[int, ...]:
    """Return the shape of a tensor, all of which are static here."""
    return tuple(int(extent) for extent in value.ty.shape)


def require_rank(value: relax.Expr, rank: int) -> tuple[int, ...]:
    """Return the shape of an operator's data, which has to have `rank` dimensions."""
    shape = shape_of(value)
    if len(shape) != rank:
        raise Unusable(f"its data has shape {shape}; {rank} dimensions are supported")
    return shape


def parameter(value: relax.Expr, what: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return the array of a parameter, which has to have `shape`."""
    if not isinstance(value, tvm.ir.GenericConst):
        raise Unusable(f"its {what} is computed; only a parameter is supported")
    array = value.value.numpy()
    if shape is not None and array.shape != shape:
        raise Unusable(f"its {what} has shape {array.shape}, not {shape}", _WRONG_PARAMETERS)
    return array


def axis_of(axis: int, rank: int) -> int:
    """Return an axis that may count from the end as one that counts from the front."""
    if not -rank <= axis < rank:
        raise Unusable(f"its axis {axis} does not exist in {rank} dimensions")
    return axis % rank
