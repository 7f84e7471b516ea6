"""A network as a list of named layers: one description gives both the Relax module and numpy."""

from __future__ import annotations

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
        seed: weights are He-normal, biases normal with deviation 0.05, both drawn from it.
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
        relu: bool = True,
    ) -> str:
        """Add a square convolution with bias and, by default, ReLU."""
        fan_in = self._channels[source] * kernel * kernel
        shape = (channels, self._channels[source], kernel, kernel)
        weight = self._rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)
        bias = self._rng.standard_normal((1, channels, 1, 1)) * self._BIAS_DEVIATION
        conv = layers.Conv(
            weight.astype(np.float32), bias.astype(np.float32), stride, padding, relu
        )
        return self._add(name, conv, (source,), channels)

    def max_pool(self, source: str, name: str, kernel: int, stride: int, ceil_mode: bool) -> str:
        """Add a max pooling over square windows, without padding."""
        pool = layers.MaxPool(kernel, stride, ceil_mode)
        return self._add(name, pool, (source,), self._channels[source])

    def concat(self, sources: tuple[str, ...], name: str) -> str:
        """Join tensors along their channels."""
        channels = sum(self._channels[source] for source in sources)
        return self._add(name, layers.Concat(), sources, channels)

    def global_average_pool(self, source: str, name: str) -> str:
        """Average each channel to one number: (N, C, H, W) -> (N, C)."""
        return self._add(name, layers.GlobalAveragePool(), (source,), self._channels[source])

    def softmax(self, source: str, name: str) -> str:
        """Turn (N, C) scores into probabilities."""
        return self._add(name, layers.Softmax(), (source,), self._channels[source])

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

    def _add(self, name: str, layer: Layer, sources: tuple[str, ...], channels: int) -> str:
        self._layers.append((name, layer, sources))
        self._channels[name] = channels
        return name
