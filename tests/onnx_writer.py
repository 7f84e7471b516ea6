"""Writes the built-in networks as ONNX; see `foreign_networks`."""

from __future__ import annotations

import numpy as np
import onnx
from foreign_networks import EPSILON
from onnx import TensorProto, helper, numpy_helper

from tuner.networks import layers


class Onnx:
    """ONNX's operators, as PyTorch exports them; see `foreign_networks.Dialect`."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def model(self, input_shape: tuple[int | str, ...]) -> onnx.ModelProto:
        """The whole model; it returns what the last node does."""
        last = self._nodes[-1].output[0]
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info("data", TensorProto.FLOAT, input_shape)],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["N", "C"])],
            self._weights,
        )
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=9)

    def _node(self, op: str, name: str, sources: list[str], arrays=(), **attributes) -> str:
        names = [f"{name}_{number}" for number in range(len(arrays))]
        self._weights += map(numpy_helper.from_array, arrays, names)
        self._nodes.append(helper.make_node(op, [*sources, *names], [name], name, **attributes))
        return name

    def conv(self, name: str, source: str, layer: layers.Conv, arrays: list[np.ndarray]) -> str:
        return self._node(
            *("Conv", name, [source], arrays),
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
            group=layer.groups,
        )

    def batch_norm(self, name: str, source: str, arrays: dict[str, np.ndarray]) -> str:
        values = list(arrays.values())
        return self._node("BatchNormalization", name, [source], values, epsilon=EPSILON)

    def relu(self, name: str, source: str) -> str:
        return self._node("Relu", name, [source])

    def max_pool(self, name: str, source: str, layer: layers.MaxPool) -> str:
        return self._node(
            *("MaxPool", name, [source]),
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
            ceil_mode=int(layer.ceil_mode),
        )

    def add(self, name: str, sources: list[str]) -> str:
        return self._node("Add", name, sources)

    def concat(self, name: str, sources: list[str]) -> str:
        return self._node("Concat", name, sources, axis=1)

    def global_average_pool(self, name: str, source: str) -> str:
        return self._node(
            "Flatten", f"{name}_flat", [self._node("GlobalAveragePool", name, [source])]
        )

    def dense(self, name: str, source: str, arrays: list[np.ndarray]) -> str:
        return self._node("Gemm", name, [source], arrays, transB=1)

    def softmax(self, name: str, source: str) -> str:
        return self._node("Softmax", name, [source], axis=1)
