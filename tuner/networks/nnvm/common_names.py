"""Operators that NNVM and MXNet call the same, and those that differ in name only."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
from tvm import relax
from tvm.relax import op

from tuner.networks.nnvm.attributes import Attributes
from tuner.networks.nnvm.errors import Unusable
from tuner.networks.nnvm.layers import Function, Identity, Softmax, scalar
from tuner.networks.nnvm.operators import MXNET, NNVM, Operation, operator
from tuner.networks.nnvm.shaping import FLATTEN, Concat, Reshape, Transpose
from tuner.networks.nnvm.values import shape_of

_BOTH = (NNVM, MXNET)

ELEMENTWISE = {
    "relu": Function(op.nn.relu, lambda data: np.maximum(data, 0)),
    "sigmoid": Function(op.sigmoid, lambda data: 1 / (1 + np.exp(-data))),
    "tanh": Function(op.tanh, np.tanh),
    "exp": Function(op.exp, np.exp),
    "log": Function(op.log, np.log),
    "sqrt": Function(op.sqrt, np.sqrt),
    "negative": Function(op.negative, np.negative),
}

# One input and a number; with `reversed`, the number comes first.
_SCALAR = {
    "add": ("_plus_scalar", "_PlusScalar"),
    "sub": ("_minus_scalar", "_MinusScalar"),
    "rsub": ("_rminus_scalar", "_RMinusScalar"),
    "mul": ("_mul_scalar", "_MulScalar"),
    "div": ("_div_scalar", "_DivScalar"),
    "rdiv": ("_rdiv_scalar", "_RDivScalar"),
    "pow": ("_power_scalar", "_PowerScalar"),
    "rpow": ("_rpower_scalar", "_RPowerScalar"),
}

_BINARY: dict[str, tuple[Callable, Callable]] = {
    "add": (op.add, np.add),
    "sub": (op.subtract, np.subtract),
    "mul": (op.multiply, np.multiply),
    "div": (op.divide, np.divide),
    "pow": (op.power, np.power),
}

# What MXNet called the element-wise ones once.
_OLD_NAMES = {
    "add": ("_plus", "_Plus", "_add"),
    "sub": ("_minus", "_Minus", "_sub"),
    "mul": ("_mul", "_Mul"),
    "div": ("_div", "_Div"),
}


def _register_elementwise(name: str, layer: Function) -> None:
    operator(name, of=_BOTH)(lambda attributes: Operation(layer))


def _register_scalar(name: str, mxnet: tuple[str, ...]) -> None:
    is_reversed = name.startswith("r")
    in_relax, in_numpy = _BINARY[name.removeprefix("r")]

    def convert(attributes: Attributes) -> Operation:
        number = attributes.number("scalar")
        if is_reversed:
            return Operation(
                Function(
                    lambda data: in_relax(scalar(number), data),
                    lambda data: in_numpy(number, data),
                )
            )
        return Operation(
            Function(
                lambda data: in_relax(data, scalar(number)), lambda data: in_numpy(data, number)
            )
        )

    operator(f"__{name}_scalar__", of=(NNVM,))(convert)
    operator(*mxnet, of=(MXNET,))(convert)


def _register_binary(name: str) -> None:
    in_relax, in_numpy = _BINARY[name]

    def same_shape(left: relax.Expr, right: relax.Expr) -> relax.Expr:
        if shape_of(left) != shape_of(right):
            raise Unusable(f"its inputs differ in shape: {shape_of(left)}, {shape_of(right)}")
        return in_relax(left, right)

    def elementwise(attributes: Attributes) -> Operation:
        return Operation(Function(same_shape, in_numpy), ("lhs", "rhs"))

    def broadcast(attributes: Attributes) -> Operation:
        return Operation(Function(in_relax, in_numpy), ("lhs", "rhs"))

    operator(f"elemwise_{name}", of=_BOTH)(elementwise)
    operator(*_OLD_NAMES[name], of=(MXNET,))(elementwise)
    operator(f"broadcast_{name}", of=_BOTH)(broadcast)


for _name, _layer in ELEMENTWISE.items():
    _register_elementwise(_name, _layer)
for _name, _mxnet in _SCALAR.items():
    _register_scalar(_name, _mxnet)
for _name in _OLD_NAMES:
    _register_binary(_name)


@operator("elemwise_sum", of=(NNVM,))
@operator("add_n", "ElementWiseSum", "_sum", of=(MXNET,))
def _sum(attributes: Attributes) -> Operation:
    layer = Function(lambda *values: reduce(op.add, values), lambda *values: np.sum(values, axis=0))
    return Operation(layer, inputs=None)


@operator("flatten", of=_BOTH)
@operator("Flatten", of=(MXNET,))
def _flatten(attributes: Attributes) -> Operation:
    return Operation(FLATTEN)


@operator("concatenate", of=(NNVM,))
def _concatenate(attributes: Attributes) -> Operation:
    return Operation(Concat(attributes.integer("axis", 1)), inputs=None)


@operator("Concat", "concat", of=(MXNET,))
def _concat(attributes: Attributes) -> Operation:
    return Operation(Concat(attributes.integer("dim", 1)), inputs=None)


@operator("dropout", "copy", of=(NNVM,))
@operator("Dropout", "identity", "_copy", "BlockGrad", of=(MXNET,))
def _identity(attributes: Attributes) -> Operation:
    return Operation(Identity())


@operator("softmax", of=_BOTH)
def _softmax(attributes: Attributes) -> Operation:
    if attributes.number("temperature", 1.0) != 1:
        raise Unusable("its temperature is not 1")
    return Operation(Softmax(attributes.integer("axis", -1)))


@operator("log_softmax", of=_BOTH)
def _log_softmax(attributes: Attributes) -> Operation:
    return Operation(Softmax(attributes.integer("axis", -1), log=True))


@operator("reshape", of=_BOTH)
@operator("Reshape", of=(MXNET,))
def _reshape(attributes: Attributes) -> Operation:
    shape = attributes.integers("shape", ())
    if not shape:
        raise Unusable("its attribute shape is missing")
    return Operation(Reshape(shape, attributes.flag("reverse", False)))


@operator("transpose", of=_BOTH)
def _transpose(attributes: Attributes) -> Operation:
    return Operation(Transpose(attributes.integers("axes", ())))


@operator("clip", of=_BOTH)
def _clip(attributes: Attributes) -> Operation:
    low, high = attributes.number("a_min"), attributes.number("a_max")
    layer = Function(
        lambda data: op.clip(data, relax.prim_value(low), relax.prim_value(high)),
        lambda data: np.clip(data, low, high),
    )
    return Operation(layer)
