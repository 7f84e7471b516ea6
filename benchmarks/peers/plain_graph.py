"""A network as plain layers with their weights: what every library's model file is written from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax
from tvm.ir import GenericConst

from tuner.errors import UserError


@dataclass
class Node:
    """One layer; bias and ReLU belong to the layer in front.

    Attributes:
        kind: "conv", "dense", "max_pool", "average_pool" (global), "concat" (channels), "add" or
            "softmax" (over the classes).
        name: of the layer and of its output.
        inputs: names of nodes, or of the network's input.
        channels: of the output.
        weight: float32; of a "conv" (CO, CI / groups, KH, KW), of a "dense" (CO, CI).
        bias: float32 (CO,).
        kernel, stride, padding: of square windows.
        ceil_mode: whether windows that begin inside and end outside count, of a "max_pool".
    """

    kind: str
    name: str
    inputs: list[str]
    channels: int
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    groups: int = 1
    ceil_mode: bool = False
    relu: bool = False

    def shape(self) -> tuple[object, ...]:
        """All of it but the weights' values."""
        return (
            *(self.kind, self.name, *self.inputs, self.channels, self.kernel, self.stride),
            *(self.padding, self.groups, self.ceil_mode, self.relu),
        )

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Weight and bias of a "conv" or "dense"."""
        assert self.weight is not None
        bias = self.bias if self.bias is not None else np.zeros(self.channels, np.float32)
        return self.weight, bias


class _Reader:
    """Reads the bindings of a Relax function one after the other."""

    def __init__(self, main: relax.Function) -> None:
        self.nodes: dict[str, Node] = {}
        self._names = {main.params[0]: main.params[0].name}
        self._constants: dict[relax.Var, np.ndarray] = {}
        for block in main.body.blocks:
            for binding in block.bindings:
                self._read(binding.var, binding.value)

    def _read(self, var: relax.Var, value: relax.Expr) -> None:
        if isinstance(value, relax.Var):
            self._names[var] = self._names[value]
            return
        operator = value.op.name.removeprefix("relax.").replace(".", "_")
        read = getattr(self, f"_{operator}", None)
        if read is None:
            raise UserError(
                f"the operator {operator} of {var.name} is not written for other libraries",
                "choose a built-in network",
            )
        read(var, value)

    def _add_node(self, var: relax.Var, node: Node) -> None:
        self.nodes[node.name] = node
        self._names[var] = node.name

    def _new(self, kind: str, var: relax.Var, call: relax.Call) -> Node:
        fields = call.args[0].fields if isinstance(call.args[0], relax.Tuple) else [call.args[0]]
        inputs = [self._names[field] for field in fields]
        return Node(kind, var.name, inputs, channels=int(var.ty.shape[1]))

    def _constant(self, expression: relax.Expr) -> np.ndarray | None:
        if isinstance(expression, GenericConst):
            return expression.value.numpy()
        return self._constants.get(expression)

    def _nn_conv2d(self, var: relax.Var, call: relax.Call) -> None:
        node = self._new("conv", var, call)
        node.weight = self._constant(call.args[1])
        node.kernel, node.stride, node.padding = _square(var, call, int(call.args[1].ty.shape[2]))
        node.groups = int(call.attrs.groups)
        self._add_node(var, node)

    def _nn_max_pool2d(self, var: relax.Var, call: relax.Call) -> None:
        node = self._new("max_pool", var, call)
        node.kernel, node.stride, node.padding = _square(var, call, int(call.attrs.pool_size[0]))
        node.ceil_mode = bool(call.attrs.ceil_mode)
        self._add_node(var, node)

    def _nn_adaptive_avg_pool2d(self, var: relax.Var, call: relax.Call) -> None:
        self._add_node(var, self._new("average_pool", var, call))

    def _nn_softmax(self, var: relax.Var, call: relax.Call) -> None:
        self._add_node(var, self._new("softmax", var, call))

    def _concat(self, var: relax.Var, call: relax.Call) -> None:
        self._add_node(var, self._new("concat", var, call))

    def _matmul(self, var: relax.Var, call: relax.Call) -> None:
        node = self._new("dense", var, call)
        weight = self._constant(call.args[1])
        assert weight is not None
        node.weight = np.ascontiguousarray(weight.T)
        self._add_node(var, node)

    def _permute_dims(self, var: relax.Var, call: relax.Call) -> None:
        weight = self._constant(call.args[0])
        assert weight is not None and weight.ndim == 2
        self._constants[var] = weight.T

    def _reshape(self, var: relax.Var, call: relax.Call) -> None:
        self._names[var] = self._names[call.args[0]]

    def _nn_relu(self, var: relax.Var, call: relax.Call) -> None:
        name = self._names[call.args[0]]
        self.nodes[name].relu = True
        self._names[var] = name

    def _add(self, var: relax.Var, call: relax.Call) -> None:
        bias = self._constant(call.args[1])
        if bias is None:
            node = self._new("add", var, call)
            node.inputs.append(self._names[call.args[1]])
            self._add_node(var, node)
            return
        name = self._names[call.args[0]]
        self.nodes[name].bias = bias.reshape(-1)
        self._names[var] = name


def _square(var: relax.Var, call: relax.Call, kernel: int) -> tuple[int, int, int]:
    strides, padding, dilation = (
        {int(value) for value in values}
        for values in (call.attrs.strides, call.attrs.padding, call.attrs.dilation)
    )
    if len(strides) != 1 or len(padding) != 1 or dilation != {1}:
        raise UserError(
            f"{var.name} has windows that are not written for other libraries",
            "choose a network with equal strides and padding, without dilation",
        )
    return kernel, strides.pop(), padding.pop()


def read(module: tvm.IRModule) -> list[Node]:
    """Return the layers of `module`'s main in order.

    Raises:
        UserError: it has operators or windows that are not written for other libraries.
    """
    return list(_Reader(module["main"]).nodes.values())
