"""Writes graphs as NNVM and MXNet do: JSON, and parameters in both formats."""

from __future__ import annotations

import json
import struct

import numpy as np
from foreign_networks import EPSILON

from tuner.networks import layers


class GraphWriter:
    """Nodes of a graph in JSON, in either dialect, with the parameters they use."""

    def __init__(self, attributes_key: str = "attrs") -> None:
        self.parameters: dict[str, np.ndarray] = {}
        self._key = attributes_key
        self._nodes: list[dict] = []
        self._numbers: dict[str, int] = {}
        self.variable("data")

    def variable(self, name: str, **attributes) -> str:
        """Add an input."""
        return self.node("null", name, [], **attributes)

    def parameter(self, name: str, array: np.ndarray) -> str:
        """Add a variable with its array."""
        self.parameters[name] = array
        return self.variable(name)

    def node(self, op: str, name: str, sources: list[str], **attributes) -> str:
        """Add a node that reads the first output of the nodes called `sources`."""
        node = {"op": op, "name": name, "inputs": [[self._numbers[s], 0, 0] for s in sources]}
        if attributes:
            node[self._key] = {key: str(value) for key, value in attributes.items()}
        self._numbers[name] = len(self._nodes)
        self._nodes.append(node)
        return name

    def content(self, heads: list[str] | None = None) -> dict:
        """The graph as JSON has it; by default it returns what the last node does."""
        last = [len(self._nodes) - 1] if heads is None else [self._numbers[h] for h in heads]
        return {
            "nodes": self._nodes,
            "arg_nodes": [n for n, node in enumerate(self._nodes) if node["op"] == "null"],
            "heads": [[number, 0, 0] for number in last],
            "node_row_ptr": list(range(len(self._nodes) + 1)),
        }

    def json(self) -> str:
        """The file."""
        return json.dumps(self.content(), indent=2)

    def _weighted(
        self, op: str, name: str, source: str, arrays: list[np.ndarray], **attributes
    ) -> str:
        kinds = ("weight", "bias")
        names = [
            self.parameter(f"{name}_{kind}", array)
            for kind, array in zip(kinds, arrays, strict=False)
        ]
        return self.node(op, name, [source, *names], **attributes)


class Nnvm(GraphWriter):
    """NNVM's own operators; see `foreign_networks.Dialect`."""

    def conv(self, name: str, source: str, layer: layers.Conv, arrays: list[np.ndarray]) -> str:
        channels, _, *kernel = layer.weight.shape
        return self._weighted(
            *("conv2d", name, source, arrays),
            channels=channels,
            kernel_size=tuple(kernel),
            strides=(layer.stride,) * 2,
            padding=(layer.padding,) * 2,
            groups=layer.groups,
            use_bias=len(arrays) == 2,
        )

    def batch_norm(self, name: str, source: str, arrays: dict[str, np.ndarray]) -> str:
        names = [self.parameter(f"{name}_{kind}", array) for kind, array in arrays.items()]
        return self.node("batch_norm", name, [source, *names], epsilon=EPSILON)

    def relu(self, name: str, source: str) -> str:
        return self.node("relu", name, [source])

    def max_pool(self, name: str, source: str, layer: layers.MaxPool) -> str:
        return self.node(
            *("max_pool2d", name, [source]),
            pool_size=(layer.kernel,) * 2,
            strides=(layer.stride,) * 2,
            padding=(layer.padding,) * 2,
            ceil_mode=layer.ceil_mode,
        )

    def add(self, name: str, sources: list[str]) -> str:
        return self.node("elemwise_add", name, sources)

    def concat(self, name: str, sources: list[str]) -> str:
        return self.node("concatenate", name, sources, axis=1)

    def global_average_pool(self, name: str, source: str) -> str:
        return self.node(
            "flatten", f"{name}_flat", [self.node("global_avg_pool2d", name, [source])]
        )

    def dense(self, name: str, source: str, arrays: list[np.ndarray]) -> str:
        return self._weighted("dense", name, source, arrays, units=len(arrays[0]))

    def softmax(self, name: str, source: str) -> str:
        return self.node("softmax", name, [source])


class MxNet(GraphWriter):
    """MXNet's symbols; see `foreign_networks.Dialect`."""

    def conv(self, name: str, source: str, layer: layers.Conv, arrays: list[np.ndarray]) -> str:
        channels, _, *kernel = layer.weight.shape
        return self._weighted(
            *("Convolution", name, source, arrays),
            num_filter=channels,
            kernel=tuple(kernel),
            stride=(layer.stride,) * 2,
            pad=(layer.padding,) * 2,
            num_group=layer.groups,
            no_bias=len(arrays) == 1,
            workspace=1024,
        )

    def batch_norm(self, name: str, source: str, arrays: dict[str, np.ndarray]) -> str:
        names = [self.parameter(f"{name}_{kind}", array) for kind, array in arrays.items()]
        return self.node("BatchNorm", name, [source, *names], eps=EPSILON, fix_gamma=False)

    def relu(self, name: str, source: str) -> str:
        return self.node("Activation", name, [source], act_type="relu")

    def max_pool(self, name: str, source: str, layer: layers.MaxPool) -> str:
        return self.node(
            *("Pooling", name, [source]),
            kernel=(layer.kernel,) * 2,
            stride=(layer.stride,) * 2,
            pad=(layer.padding,) * 2,
            pool_type="max",
            pooling_convention="full" if layer.ceil_mode else "valid",
        )

    def add(self, name: str, sources: list[str]) -> str:
        return self.node("elemwise_add", name, sources)

    def concat(self, name: str, sources: list[str]) -> str:
        return self.node("Concat", name, sources, num_args=len(sources), dim=1)

    def global_average_pool(self, name: str, source: str) -> str:
        options = {"global_pool": True, "kernel": (7, 7), "pool_type": "avg"}
        return self.node(
            "Flatten", f"{name}_flat", [self.node("Pooling", name, [source], **options)]
        )

    def dense(self, name: str, source: str, arrays: list[np.ndarray]) -> str:
        return self._weighted("FullyConnected", name, source, arrays, num_hidden=len(arrays[0]))

    def softmax(self, name: str, source: str) -> str:
        label = self.variable(f"{name}_label")
        return self.node("SoftmaxOutput", name, [source, label])


def _strings(texts) -> bytes:
    raw = [text.encode() for text in texts]
    return struct.pack("<Q", len(raw)) + b"".join(struct.pack("<Q", len(r)) + r for r in raw)


def tvm_params(parameters: dict[str, np.ndarray]) -> bytes:
    """What `save_param_dict` of NNVM and TVM writes."""
    data = struct.pack("<QQ", 0xF7E58D4F05049CB7, 0) + _strings(parameters)
    data += struct.pack("<Q", len(parameters))
    for array in parameters.values():
        code = {"i": 0, "u": 1, "f": 2}[array.dtype.kind]
        data += struct.pack("<QQiii", 0xDD5E40F096B4A13F, 0, 1, 0, array.ndim)
        data += struct.pack("<BBH", code, array.itemsize * 8, 1)
        data += struct.pack(f"<{array.ndim}qQ", *array.shape, array.nbytes) + array.tobytes()
    return data


_TYPE_FLAGS = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int64": 6}


def mxnet_params(parameters: dict[str, np.ndarray], version: int = 2) -> bytes:
    """What `save_checkpoint` of MXNet writes; `version` 0 is that of before 2017."""
    data = struct.pack("<QQQ", 0x112, 0, len(parameters))
    for array in parameters.values():
        if version == 0:
            data += struct.pack(f"<I{array.ndim}I", array.ndim, *array.shape)
        else:
            data += struct.pack("<I", 0xF993FAC7 + version)
            data += struct.pack("<i", 0) if version > 1 else b""
            data += struct.pack(f"<i{array.ndim}q", array.ndim, *array.shape)
        data += struct.pack("<iii", 1, 0, _TYPE_FLAGS[array.dtype.name]) + array.tobytes()
    moving = ("moving_mean", "moving_var")
    return data + _strings(
        f"{'aux' if name.endswith(moving) else 'arg'}:{name}" for name in parameters
    )
