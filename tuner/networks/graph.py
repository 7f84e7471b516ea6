"""A network as a list of named layers: one description gives both the Relax module and numpy."""

from __future__ import annotations

import math

import numpy as np
import tvm
from tvm import relax

from tuner.networks import layers
from tuner.networks.layers import Layer


class Graph:
    """Layers in order of execution; the last one is the network's output.

    Each method adds one layer and returns its name, to be given as input to later layers.

    Args:
        input_shape: (N, C, H, W) of the one float32 input.
        seed: weights and biases are drawn from it: normal, biases with deviation 0.05, weights
            with such a one that a layer keeps the mean square of its input (He et al. 2015,
            arXiv:1502.01852; the factor 2 only in front of a ReLU, which takes half).
    """

    _BIAS_DEVIATION = 0.05

    def __init__(self, input_name: str, input_shape: tuple[int, ...], seed: int) -> None:
        self.input_name = input_name
        self._input_shape = input_shape
        self._rng = np.random.default_rng(seed)
        self._channels = {input_name: input_shape[1]}
        self._layers: list[tuple[str, Layer, tuple[str, ...]]] = []

    def conv(
        self,
        source: str,
        name: str,
        channels: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        relu: bool = True,
    ) -> str:
        """Add a square convolution with bias and, by default, ReLU."""
        shape = (channels, self._channels[source] // groups, kernel, kernel)
        weight, bias = self._draw(shape, (1, channels, 1, 1), relu)
        conv = layers.Conv(weight, bias, stride, padding, groups, relu)
        return self._add(name, conv, (source,), channels)

    def depthwise(self, source: str, name: str, kernel: int, stride: int, padding: int) -> str:
        """Add a convolution of each channel by itself, with bias and ReLU."""
        channels = self._channels[source]
        return self.conv(source, name, channels, kernel, stride, padding, groups=channels)

    def max_pool(
        self,
        source: str,
        name: str,
        kernel: int,
        stride: int,
        padding: int = 0,
        ceil_mode: bool = False,
    ) -> str:
        """Add a max pooling over square windows."""
        pool = layers.MaxPool(kernel, stride, padding, ceil_mode)
        return self._add(name, pool, (source,), self._channels[source])

    def add(self, sources: tuple[str, str], name: str, relu: bool = True) -> str:
        """Add the sum of two tensors of one shape and, by default, ReLU."""
        return self._add(name, layers.Add(relu), sources, self._channels[sources[0]])

    def concat(self, sources: tuple[str, ...], name: str) -> str:
        """Join tensors along their channels."""
        channels = sum(self._channels[source] for source in sources)
        return self._add(name, layers.Concat(), sources, channels)

    def global_average_pool(self, source: str, name: str) -> str:
        """Average each channel to one number: (N, C, H, W) -> (N, C)."""
        return self._add(name, layers.GlobalAveragePool(), (source,), self._channels[source])

    def dense(self, source: str, name: str, channels: int) -> str:
        """Add a fully connected layer with bias: (N, C) -> (N, channels)."""
        shape = (channels, self._channels[source])
        layer = layers.Dense(*self._draw(shape, (1, channels), relu=False))
        return self._add(name, layer, (source,), channels)

    def softmax(self, source: str, name: str) -> str:
        """Turn (N, C) scores into probabilities."""
        return self._add(name, layers.Softmax(), (source,), self._channels[source])

    @property
    def layers(self) -> list[tuple[str, Layer, tuple[str, ...]]]:
        """Name, layer and inputs of each, in order of execution."""
        return list(self._layers)

    def to_relax(self) -> tvm.IRModule:
        """Return the Relax module: weights are constants, variables bear the layers' names."""
        builder = relax.BlockBuilder()
        data = relax.Var(self.input_name, relax.TensorType(self._input_shape, "float32"))
        values: dict[str, relax.Expr] = {self.input_name: data}
        with builder.function("main", [data]):
            with builder.dataflow():
                for name, layer, sources in self._layers:
                    inputs = [values[source] for source in sources]
                    values[name] = layer.emit(builder, name, *inputs)
                output = builder.emit_output(values[self._layers[-1][0]])
            builder.emit_func_output(output)
        return builder.finalize()

    def evaluate(self, data: np.ndarray) -> np.ndarray:
        """Run the network on `data` in float64."""
        values = {self.input_name: data.astype(np.float64)}
        for name, layer, sources in self._layers:
            values[name] = layer.evaluate(*(values[source] for source in sources))
        return values[self._layers[-1][0]]

    def _draw(
        self, weight_shape: tuple[int, ...], bias_shape: tuple[int, ...], relu: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return float32 weights, outputs first, and biases of a layer."""
        fan_in = math.prod(weight_shape[1:])
        deviation = math.sqrt((2.0 if relu else 1.0) / fan_in)
        weight = self._rng.standard_normal(weight_shape) * deviation
        bias = self._rng.standard_normal(bias_shape) * self._BIAS_DEVIATION
        return weight.astype(np.float32), bias.astype(np.float32)

    def _add(self, name: str, layer: Layer, sources: tuple[str, ...], channels: int) -> str:
        self._layers.append((name, layer, sources))
        self._channels[name] = channels
        return name
