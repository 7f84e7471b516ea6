"""What is fused behind a convolution: found in the fused function, replayed on a register tile."""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import tirx
from tvm_ffi import structural_equal

from .emit import F32, maximum, minimum


class NotElementwise(Exception):
    """The expression reads its inputs in a way that cannot be replayed tile by tile."""


_BINARY = (
    *(tirx.Add, tirx.Sub, tirx.Mul, tirx.Div, tirx.Max, tirx.Min),
    *(tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE, tirx.And, tirx.Or),
)

_NOTHING = tirx.const(0.0, F32)


class Epilogue:
    """`out[n, c, h, w] = f(conv[n, c, h, w], other inputs at n, c, h, w)`.

    Behind a fully connected layer, a convolution of one pixel, it is `out[n, c]`.

    Args:
        store: the statement of the last block, with the block's variables as indices.
        conv: the buffer that holds the convolution's result.
        params: the function's parameters.

    Raises:
        NotElementwise: an input is no parameter, or read at other places than (n, c, h, w), whole
            or reduced to its channel.
    """

    def __init__(self, store: tirx.BufferStore, conv, params) -> None:
        self.output = store.buffer
        self._value = store.value
        self._indices = list(store.indices)
        self._conv = conv
        if not any(self.output.same_as(param) for param in params):
            raise NotElementwise("the last block does not write the function's output")
        axes = len(self.output.shape)
        left_out = [int(extent) for extent in conv.shape[axes:]]
        if left_out not in ([], [1, 1]) or not all(
            map(structural_equal, self.output.shape, conv.shape)
        ):
            raise NotElementwise("the output has another shape than the convolution")
        self._left_out = None  # a sum of which only the convolution's value is replayed
        self.inputs: list = []  # buffers other than the convolution's result
        self.replay(lambda: _NOTHING, lambda buffer, kind: _NOTHING)  # collects the inputs
        if not all(any(read.same_as(param) for param in params) for read in self.inputs):
            raise NotElementwise("an operand is computed inside the function")

    def replay(
        self,
        conv_value: Callable[[], tirx.Expr],
        load: Callable[[object, str], tirx.Expr],
    ) -> tirx.Expr:
        """The expression with the convolution's value and each other input's put in place.

        Args:
            conv_value: the convolution's value at the current element.
            load: called with (buffer, kind), kind "element" (full NCHW), "channel" (one value a
                channel) or "scalar" (one value); returns the value at the current element.
        """
        return self._rewrite(self._value, conv_value, load)

    def take_bias(self):
        """The buffer of a bias that is added to the convolution's value before all else, or None.

        From then on it is left out of what is replayed: sums begin with it instead.
        """
        reads: list[str] = []

        def value() -> tirx.Expr:
            reads.append("conv")
            return _NOTHING

        self.replay(value, lambda buffer, kind: _NOTHING)
        if self._left_out is None and len(reads) == 1:
            self._left_out = self._bias_sum(self._value)
        if self._left_out is None:
            return None
        return next(side.source for side in self._sides(self._left_out) if not self._is_conv(side))

    def _bias_sum(self, expr):
        """The node of `expr` that adds one value a channel to the convolution's."""
        if isinstance(expr, tirx.Add):
            sides, kinds = self._sides(expr), list[str]()
            if all(isinstance(side, tvm.ir.TensorLoad) for side in sides):
                for side in sides:
                    self._read(
                        side, lambda: kinds.append("conv"), lambda _, kind: kinds.append(kind)
                    )
                if sorted(kinds) == ["channel", "conv"]:
                    return expr
        parts = self._sides(expr) if isinstance(expr, _BINARY) else ()
        if isinstance(expr, tvm.ir.Call):
            parts = tuple(expr.args)
        found = (self._bias_sum(part) for part in parts)
        return next((node for node in found if node is not None), None)

    @staticmethod
    def _sides(expr) -> tuple:
        return expr.a, expr.b

    def _is_conv(self, load) -> bool:
        return load.source.same_as(self._conv)

    @property
    def is_monotone(self) -> bool:
        """Whether it never falls where the convolution's value rises, and is the same everywhere
        in a channel: then the largest result is that of the largest value, to the last bit,
        where no value is NaN.
        """
        return self._rises(self._value) is not None

    def _rises(self, expr) -> bool | None:
        """True for what rises with the value, False for what stays the same, None for others."""
        if isinstance(expr, tvm.ir.TensorLoad):
            kinds: list[str] = []
            self._read(expr, lambda: kinds.append("conv"), lambda _, kind: kinds.append(kind))
            return None if kinds == ["element"] else kinds == ["conv"]
        if isinstance(expr, tirx.FloatImm):
            return False
        if isinstance(expr, tirx.Add | tirx.Max | tirx.Min):
            sides = self._rises(expr.a), self._rises(expr.b)
            return None if None in sides else any(sides)
        return None

    def _rewrite(self, expr, conv_value, load):
        def again(e):
            return self._rewrite(e, conv_value, load)

        if isinstance(expr, tvm.ir.TensorLoad):
            return self._read(expr, conv_value, load)
        if isinstance(expr, tirx.FloatImm | tirx.IntImm):
            return expr
        if isinstance(expr, tirx.Max | tirx.Min) and str(expr.ty.dtype) == F32:
            # TVM's own are a comparison and a selection: two instructions on ARM.
            larger_or_smaller = maximum if isinstance(expr, tirx.Max) else minimum
            return larger_or_smaller(again(expr.a), again(expr.b))
        if self._left_out is not None and expr.same_as(self._left_out):
            return conv_value()
        if isinstance(expr, _BINARY):
            return type(expr)(again(expr.a), again(expr.b))
        if isinstance(expr, tirx.Select):
            return tirx.Select(
                again(expr.condition), again(expr.true_value), again(expr.false_value)
            )
        if isinstance(expr, tirx.Cast):
            return again(expr.value).astype(str(expr.ty.dtype))
        if isinstance(expr, tvm.ir.Call):
            return tirx.call_intrin(str(expr.ty.dtype), expr.op, *map(again, expr.args))
        raise NotElementwise(f"{type(expr).__name__} in an epilogue")

    def _read(self, expr, conv_value, load):
        buffer, indices = expr.source, list(expr.indices)
        if buffer.same_as(self._conv):
            # Without the axes of one element that the output lacks.
            if not all(map(structural_equal, indices, self._indices)):
                raise NotElementwise("the convolution's result is read out of place")
            return conv_value()
        if all(int(extent) == 1 for extent in buffer.shape):
            kind = "scalar"
        elif self._is_element(buffer, indices):
            kind = "element"
        elif self._is_channel(buffer, indices):
            kind = "channel"
        else:
            raise NotElementwise(f"{buffer.name} is read at {indices}")
        if not any(buffer.same_as(known) for known in self.inputs):
            self.inputs.append(buffer)
        return load(buffer, kind)

    def _is_element(self, buffer, indices) -> bool:
        return len(indices) == len(self._indices) and all(
            structural_equal(index, own) or int(size) == int(own_size) == 1
            for index, own, size, own_size in zip(
                indices, self._indices, buffer.shape, self.output.shape, strict=True
            )
        )

    def _is_channel(self, buffer, indices) -> bool:
        """One index runs over the channels, every other axis has one element."""
        channel = self._indices[1]
        sizes = [int(extent) for extent in buffer.shape]
        channels = int(self.output.shape[1])
        return sum(size > 1 for size in sizes) <= 1 and all(
            (size == channels and structural_equal(index, channel)) or size == 1
            for size, index in zip(sizes, indices, strict=True)
        )
