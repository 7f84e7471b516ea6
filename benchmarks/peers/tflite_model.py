"""Writes a network as a TFLite file: float32, NHWC.

Field and operator numbers: schema.fbs of TensorFlow 2.x
(https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers import flat_buffer
from benchmarks.peers.flat_buffer import Table
from benchmarks.peers.plain_graph import Node
from tuner.errors import UserError

_SCHEMA_VERSION, _IDENTIFIER = 3, b"TFL3"
_TYPES = {np.dtype(np.float32): 0, np.dtype(np.int32): 2}  # TensorType
_SAME, _VALID = 0, 1  # Padding
_NO_RELU, _RELU = 0, 1  # ActivationFunctionType
# BuiltinOperator and BuiltinOptions.
_ADD, _CONCAT, _CONV, _DEPTHWISE = (0, 11), (2, 10), (3, 1), (4, 2)
_DENSE, _MAX_POOL, _SOFTMAX, _PAD, _MEAN = (9, 8), (17, 5), (25, 9), (34, 22), (40, 27)
_CHANNEL_AXIS = 3


def write(nodes: Sequence[Node], size: int, path: Path) -> None:
    """Write the network that reads "data" of 1 x `size` x `size` x 3; the last node is its output.

    The output has shape (1, classes).

    Raises:
        UserError: a pooling layer is padded in a way that TFLite has no words for.
    """
    model = _Model(size)
    for node in nodes:
        model.add(node)
    path.write_bytes(flat_buffer.write(model.table(nodes[-1].name), _IDENTIFIER))


class _Model:
    """Tensors, buffers and operators; a tensor's number is its place in the list."""

    def __init__(self, size: int) -> None:
        self._buffers: list[bytes] = [b""]  # the first one is that of all tensors without values
        self._tensors: list[Table] = []
        self._operators: list[Table] = []
        self._codes: list[int] = []
        self._numbers: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._not_negative: set[str] = set()
        self._tensor("data", (1, size, size, 3))

    def table(self, output: str) -> Table:
        """The whole file."""
        graph: Table = {
            0: self._tensors,
            1: [self._numbers["data"]],
            2: [self._numbers[output]],
            3: self._operators,
        }
        codes: list[Table] = [{0: code, 3: code} for code in self._codes]
        buffers: list[Table] = [{0: data} if data else {} for data in self._buffers]
        return {0: _SCHEMA_VERSION, 1: codes, 2: [graph], 4: buffers}

    def add(self, node: Node) -> None:
        """Append the operators of one layer."""
        relu = _RELU if node.relu else _NO_RELU
        if node.kind == "conv":
            self._conv(node, relu)
        elif node.kind == "dense":
            weight, bias = node.weights()
            source = self._numbers[node.inputs[0]]
            inputs = [source, *self._weights(node, weight, bias)]
            self._operator(_DENSE, inputs, self._vector(node), {0: relu})
        elif node.kind == "max_pool":
            source, padding = self._window(node)
            stride, kernel = (node.stride,) * 2, (node.kernel,) * 2
            options = dict(enumerate((padding, *stride, *kernel, relu)))
            self._operator(_MAX_POOL, [source], self._map(node), options)
        elif node.kind == "average_pool":
            axes = self._constant(f"{node.name}_axes", np.array([1, 2], np.int32))
            inputs = [self._numbers[node.inputs[0]], axes]
            self._operator(_MEAN, inputs, self._vector(node), {0: 0})
        elif node.kind == "softmax":
            self._operator(_SOFTMAX, self._sources(node), self._vector(node), {0: 1.0})
        elif node.kind == "concat":
            options = {0: _CHANNEL_AXIS, 1: relu}
            self._operator(_CONCAT, self._sources(node), self._map(node), options)
        else:
            self._operator(_ADD, self._sources(node), self._map(node), {0: relu})
        if node.relu:
            self._not_negative.add(node.name)

    def _conv(self, node: Node, relu: int) -> None:
        weight, bias = node.weights()
        source, padding = self._window(node)
        options = [padding, node.stride, node.stride]
        depthwise = weight.shape[1] == 1 and node.groups == node.channels
        if depthwise:
            options.append(1)  # output channels an input channel
        order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        inputs = [source, *self._weights(node, weight.transpose(order), bias)]
        options += [relu, 1, 1]  # no dilation
        kind = _DEPTHWISE if depthwise else _CONV
        self._operator(kind, inputs, self._map(node), dict(enumerate(options)))

    def _window(self, node: Node) -> tuple[int, int]:
        """The tensor that `node` reads, padded if need be, and TFLite's kind of padding."""
        name = node.inputs[0]
        size, output = self._shapes[name][1], self._output_size(node)
        missing = max((output - 1) * node.stride + node.kernel - size, 0)
        if output == -(-size // node.stride) and node.padding == missing // 2:
            return self._numbers[name], _SAME
        if not node.padding and not (node.ceil_mode and missing):
            return self._numbers[name], _VALID
        if node.kind == "max_pool" and (node.ceil_mode or name not in self._not_negative):
            raise UserError(
                f"the padding of {node.name} cannot be written as TFLite", "leave TFLite out"
            )
        return self._pad(name, node), _VALID

    def _pad(self, name: str, node: Node) -> int:
        """Zeros around a map. They do not change the maximum of what is not negative."""
        before_after = np.zeros((4, 2), np.int32)
        before_after[1:3] = node.padding
        padding = self._constant(f"{node.name}_padding", before_after)
        _, size, _, channels = self._shapes[name]
        size += 2 * node.padding
        result = self._tensor(f"{node.name}_padded", (1, size, size, channels))
        self._operator(_PAD, [self._numbers[name], padding], result, {})
        return result

    def _output_size(self, node: Node) -> int:
        size = self._shapes[node.inputs[0]][1]
        if node.kind not in ("conv", "max_pool"):
            return size
        room = size + 2 * node.padding - node.kernel
        return (-(-room // node.stride) if node.ceil_mode else room // node.stride) + 1

    def _sources(self, node: Node) -> list[int]:
        return [self._numbers[name] for name in node.inputs]

    def _map(self, node: Node) -> int:
        size = self._output_size(node)
        return self._tensor(node.name, (1, size, size, node.channels))

    def _vector(self, node: Node) -> int:
        return self._tensor(node.name, (1, node.channels))

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int = 0, buffer: int = 0) -> int:
        self._numbers[name] = len(self._tensors)
        self._shapes[name] = shape
        self._tensors.append({0: list(shape), 1: kind, 2: buffer, 3: name})
        return self._numbers[name]

    def _constant(self, name: str, array: np.ndarray) -> int:
        self._buffers.append(array.tobytes())
        return self._tensor(name, array.shape, _TYPES[array.dtype], len(self._buffers) - 1)

    def _weights(self, node: Node, weight: np.ndarray, bias: np.ndarray) -> list[int]:
        arrays = {"weight": weight, "bias": bias}
        return [self._constant(f"{node.name}_{part}", array) for part, array in arrays.items()]

    def _operator(
        self, kind: tuple[int, int], inputs: list[int], output: int, options: Table
    ) -> None:
        code, options_kind = kind
        if code not in self._codes:
            self._codes.append(code)
        index = self._codes.index(code)
        self._operators.append({0: index, 1: inputs, 2: [output], 3: options_kind, 4: options})
