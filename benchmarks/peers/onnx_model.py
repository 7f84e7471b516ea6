"""Writes a network as an ONNX file: the few protocol buffer messages that our layers need.

Field numbers: onnx.proto of ONNX 1.x (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.plain_graph import Node

_IR_VERSION, _OPSET = 8, 13
_FLOAT = 1  # TensorProto.FLOAT
_INT, _INTS = 2, 7  # AttributeProto.AttributeType
_VARINT, _BYTES = 0, 2  # protocol buffers' wire types

Value = int | Sequence[int]


def write(nodes: Sequence[Node], size: int, path: Path) -> None:
    """Write the network that reads "data" of 1 x 3 x `size` x `size`; the last node is its output.

    The output has shape (1, classes).
    """
    body = b"".join(_field(1, message) for node in nodes for message in _messages(node))
    body += _field(2, b"network")
    for node in nodes:
        if node.kind in ("conv", "dense"):
            for suffix, array in zip(("weight", "bias"), node.weights(), strict=True):
                body += _field(5, _tensor(f"{node.name}_{suffix}", array))
    body += _field(11, _value_info("data", (1, 3, size, size)))
    body += _field(12, _value_info(nodes[-1].name, (1, nodes[-1].channels)))
    opset = _field(2, _OPSET)
    path.write_bytes(_field(1, _IR_VERSION) + _field(8, opset) + _field(7, body))


def _messages(node: Node) -> Iterable[bytes]:
    """The operators of one layer; only the last one has the layer's name."""
    window = {
        "kernel_shape": (node.kernel,) * 2,
        "strides": (node.stride,) * 2,
        "pads": (node.padding,) * 4,
    }
    output = f"{node.name}_before_relu" if node.relu else node.name
    weights = [*node.inputs, f"{node.name}_weight", f"{node.name}_bias"]
    if node.kind == "conv":
        yield _node("Conv", weights, output, {**window, "group": node.groups})
    elif node.kind == "dense":
        yield _node("Gemm", weights, output, {"transB": 1})
    elif node.kind == "max_pool":
        yield _node("MaxPool", node.inputs, output, {**window, "ceil_mode": int(node.ceil_mode)})
    elif node.kind == "average_pool":
        yield _node("GlobalAveragePool", node.inputs, f"{node.name}_map", {})
        yield _node("Flatten", [f"{node.name}_map"], output, {"axis": 1})
    elif node.kind == "concat":
        yield _node("Concat", node.inputs, output, {"axis": 1})
    elif node.kind == "softmax":
        yield _node("Softmax", node.inputs, output, {"axis": 1})
    else:
        yield _node("Add", node.inputs, output, {})
    if node.relu:
        yield _node("Relu", [output], node.name, {})


def _node(
    operator: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Value]
) -> bytes:
    message = b"".join(_field(1, name.encode()) for name in inputs)
    message += _field(2, output.encode()) + _field(3, output.encode())
    message += _field(4, operator.encode())
    for name, value in attributes.items():
        attribute = _field(1, name.encode())
        if isinstance(value, int):
            attribute += _field(3, value) + _field(20, _INT)
        else:
            attribute += b"".join(_field(8, each) for each in value) + _field(20, _INTS)
        message += _field(5, attribute)
    return message


def _tensor(name: str, array: np.ndarray) -> bytes:
    dimensions = b"".join(_field(1, extent) for extent in array.shape)
    data = array.astype("<f4").tobytes()
    return dimensions + _field(2, _FLOAT) + _field(8, name.encode()) + _field(9, data)


def _value_info(name: str, shape: Sequence[int]) -> bytes:
    dimensions = b"".join(_field(1, _field(1, extent)) for extent in shape)
    tensor = _field(1, _FLOAT) + _field(2, dimensions)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, value: int | bytes) -> bytes:
    """One field: an integer, or bytes, text or a message with its length in front."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last byte have the top bit set."""
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])
