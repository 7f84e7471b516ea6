"""What only moves elements: reshape, transpose, pad, concatenate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tvm import relax
from tvm.relax import op

from tuner.networks.nnvm.errors import Unusable
from tuner.networks.nnvm.layers import Function
from tuner.networks.nnvm.values import axis_of, shape_of


def _flatten(data: relax.Expr) -> relax.Expr:
    shape = shape_of(data)
    return data if len(shape) == 2 else op.reshape(data, (shape[0], math.prod(shape[1:])))


FLATTEN = Function(_flatten, lambda data: data.reshape(data.shape[0], -1))
"""All but the batch in one dimension."""


@dataclass(frozen=True)
class Reshape:
    """Another shape, in the codes of MXNet and NNVM: 0, -1, -2, -3 and -4 are not extents.

    With `reverse` they are read from the right.
    """

    codes: tuple[int, ...]
    reverse: bool = False

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        return builder.emit(op.reshape(inputs[0], self.shape(shape_of(inputs[0]))), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0].reshape(self.shape(inputs[0].shape))

    def shape(self, old: tuple[int, ...]) -> tuple[int, ...]:
        """Return what data of shape `old` becomes."""
        if not self.reverse:
            return _resolve(self.codes, old)
        if -4 in self.codes:
            raise Unusable("its shape has -4, which cannot be read in reverse")
        return _resolve(self.codes[::-1], old[::-1])[::-1]


def _resolve(codes: Sequence[int], old: tuple[int, ...]) -> tuple[int, ...]:
    misfit = Unusable(f"its shape {tuple(codes)} does not fit data of shape {old}")
    new: list[int] = []
    position, rest = 0, list(codes)
    while rest:
        code = rest.pop(0)
        needed = {0: 1, -3: 2, -4: 1}.get(code, 0)
        if code < -4 or position + needed > len(old) or (code == -4 and len(rest) < 2):
            raise misfit
        if code == 0:  # as it was
            new.append(old[position])
        elif code == -2:  # all that are left
            new += old[position:]
            position = len(old) - 1
        elif code == -3:  # two become one
            new.append(old[position] * old[position + 1])
        elif code == -4:  # one becomes the next two
            pair = [rest.pop(0), rest.pop(0)]
            known = math.prod(extent for extent in pair if extent != -1)
            if pair.count(-1) > 1 or known <= 0:
                raise misfit
            new += [old[position] // known if extent == -1 else extent for extent in pair]
        else:
            new.append(code)
        position += max(1, needed)
    if new.count(-1) == 1:
        known = -math.prod(new)
        if known > 0:
            new[new.index(-1)] = math.prod(old) // known
    if math.prod(new) != math.prod(old) or min(new, default=1) < 0:
        raise misfit
    return tuple(new)


@dataclass(frozen=True)
class Transpose:
    """Axes in another order; none given: reversed."""

    axes: tuple[int, ...]

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        rank = len(shape_of(inputs[0]))
        axes = [axis_of(axis, rank) for axis in self.axes]
        if axes and sorted(axes) != list(range(rank)):
            raise Unusable(f"its axes {self.axes} are no order of {rank} dimensions")
        return builder.emit(op.permute_dims(inputs[0], axes or None), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return np.transpose(inputs[0], self.axes or None)


@dataclass(frozen=True)
class Pad:
    """A border of one value; `widths` are before and after, axis by axis."""

    widths: tuple[int, ...]
    value: float

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        rank = len(shape_of(inputs[0]))
        if len(self.widths) != 2 * rank:
            raise Unusable(f"its pad_width {self.widths} is not of {rank} dimensions")
        return builder.emit(op.nn.pad(inputs[0], list(self.widths), "constant", self.value), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        pairs = list(zip(self.widths[::2], self.widths[1::2], strict=True))
        return np.pad(inputs[0], pairs, constant_values=self.value)


@dataclass(frozen=True)
class Concat:
    """Inputs one behind the other along an axis."""

    axis: int

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        axis = axis_of(self.axis, len(shape_of(inputs[0])))
        shapes = {(*shape[:axis], *shape[axis + 1 :]) for shape in map(shape_of, inputs)}
        if len(shapes) != 1:
            raise Unusable(f"its inputs differ beside axis {axis}: {[*map(shape_of, inputs)]}")
        return builder.emit(op.concat(list(inputs), axis=axis), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return np.concatenate(inputs, axis=self.axis)
