"""Writes the built-in networks as NNVM, MXNet and ONNX would have them, with identical weights.

`write` walks the layers of a `Graph`; a `Dialect` says how each is written.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tuner.networks import layers
from tuner.networks.graph import Graph
from tuner.networks.mobilenet import mobilenet
from tuner.networks.resnet import resnet18
from tuner.networks.squeezenet import squeezenet

NETWORKS = {"squeezenet": squeezenet, "mobilenet": mobilenet, "resnet18": resnet18}
# Those that have batch normalization where they come from; the built-in ones have it folded in.
NORMALIZED = ("mobilenet", "resnet18")
EPSILON = 2.0**-10


class Dialect(Protocol):
    """Writes one layer, named `name`, and returns the name of its result."""

    def conv(self, name: str, source: str, layer: layers.Conv, arrays: list[np.ndarray]) -> str: ...
    def batch_norm(self, name: str, source: str, arrays: dict[str, np.ndarray]) -> str: ...
    def relu(self, name: str, source: str) -> str: ...
    def max_pool(self, name: str, source: str, layer: layers.MaxPool) -> str: ...
    def add(self, name: str, sources: list[str]) -> str: ...
    def concat(self, name: str, sources: list[str]) -> str: ...
    def global_average_pool(self, name: str, source: str) -> str: ...
    def dense(self, name: str, source: str, arrays: list[np.ndarray]) -> str: ...
    def softmax(self, name: str, source: str) -> str: ...


def describe(name: str, input_shape: tuple[int, ...] = (1, 3, 224, 224)) -> Graph:
    """The built-in network as layers, for another size than its own too."""
    graph = Graph("data", input_shape, seed=0)
    NETWORKS[name](graph)
    return graph


def write(graph: Graph, dialect: Dialect, batch_norm: bool) -> None:
    """Write all layers; with `batch_norm`, no convolution has a bias but a normalization behind."""
    written = {graph.input_name: graph.input_name}
    for name, layer, sources in graph.layers:
        inputs = [written[source] for source in sources]
        match layer:
            case layers.Conv() if batch_norm:
                weight, arrays = _unfold(layer)
                result = dialect.conv(name, inputs[0], layer, [weight])
                result = dialect.batch_norm(f"{name}_bn", result, arrays)
            case layers.Conv():
                arrays = [layer.weight, layer.bias.reshape(-1)]
                result = dialect.conv(name, inputs[0], layer, arrays)
            case layers.MaxPool():
                result = dialect.max_pool(name, inputs[0], layer)
            case layers.Add():
                result = dialect.add(name, inputs)
            case layers.Concat():
                result = dialect.concat(name, inputs)
            case layers.GlobalAveragePool():
                result = dialect.global_average_pool(name, inputs[0])
            case layers.Dense():
                arrays = [layer.weight, layer.bias.reshape(-1)]
                result = dialect.dense(name, inputs[0], arrays)
            case layers.Softmax():
                result = dialect.softmax(name, inputs[0])
        if getattr(layer, "relu", False):
            result = dialect.relu(f"{name}_relu", result)
        written[name] = result


def _unfold(layer: layers.Conv) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A weight and a batch normalization that fold into the layer's weight and bias.

    Scales are powers of two, so that the folded weights are the layer's to the last bit.
    """
    rng = np.random.default_rng(layer.bias.size)
    channels = layer.weight.shape[0]
    scale, deviation = (2.0 ** rng.integers(-1, 2, channels) for _ in range(2))
    mean = rng.integers(-4, 5, channels) / 32
    arrays = {
        "gamma": scale * deviation,
        "beta": layer.bias.reshape(-1) + mean * scale,
        "moving_mean": mean,
        "moving_var": deviation**2 - EPSILON,
    }
    weight = layer.weight / scale.reshape(-1, 1, 1, 1)
    return weight.astype(np.float32), {n: a.astype(np.float32) for n, a in arrays.items()}
