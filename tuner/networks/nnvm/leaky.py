"""ReLUs that let some of what is negative through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm import relax
from tvm.relax import op

from tuner.networks.nnvm.layers import Function
from tuner.networks.nnvm.values import axis_of, parameter, shape_of


def leaky_relu(slope: float) -> Function:
    """Return a leaky ReLU (Maas et al. 2013)."""
    return Function(
        lambda data: op.nn.leakyrelu(data, slope),
        lambda data: np.where(data > 0, data, slope * data),
    )


@dataclass(frozen=True)
class PRelu:
    """A slope for each channel (He et al. 2015, arXiv:1502.01852), or one for all."""

    axis: int

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        data, slopes = inputs
        shape = shape_of(data)
        axis = axis_of(self.axis, len(shape))
        values = parameter(slopes, "slopes")
        if values.size == 1:
            values = np.full(shape[axis], values.item(), np.float32)
        slopes = relax.const(values)
        parameter(slopes, "slopes", (shape[axis],))
        return builder.emit(op.nn.prelu(data, slopes, axis), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        data, slopes = inputs
        shape = [1] * data.ndim
        shape[self.axis] = -1
        return np.where(data > 0, data, data * slopes.reshape(shape))


def prelu(axis: int) -> PRelu:
    """Return a ReLU whose slopes are its second input, one for each index of `axis`."""
    return PRelu(axis)


def elu(slope: float) -> Function:
    """Return an exponential linear unit (Clevert et al. 2015, arXiv:1511.07289)."""
    minus = relax.const(-1.0, "float32")

    def in_relax(data: relax.Expr) -> relax.Expr:
        below = op.multiply(
            op.add(op.exp(op.minimum(data, relax.const(0.0, "float32"))), minus),
            relax.const(slope, "float32"),
        )
        return op.add(op.nn.relu(data), below)

    return Function(
        in_relax, lambda data: np.where(data > 0, data, slope * np.expm1(np.minimum(data, 0)))
    )
