"""What nodes compute, each in Relax and in float64 numpy; see `tuner.networks.layers.Layer`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tvm import relax
from tvm.relax import op

from tuner import reference
from tuner.networks.nnvm.errors import Unusable
from tuner.networks.nnvm.values import axis_of, parameter, require_rank, shape_of


def scalar(value: float) -> relax.Expr:
    """Return a float32 constant without dimensions."""
    return relax.const(value, "float32")


def _channels(vector: np.ndarray, rank: int = 4) -> np.ndarray:
    """Return one number a channel in a shape that broadcasts along axis 1."""
    return vector.reshape(1, -1, *[1] * (rank - 2))


@dataclass(frozen=True)
class Function:
    """What one expression says, of the inputs and nothing else."""

    in_relax: Callable[..., relax.Expr]
    in_numpy: Callable[..., np.ndarray]

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        return builder.emit(self.in_relax(*inputs), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return self.in_numpy(*inputs)


@dataclass(frozen=True)
class Identity:
    """What has no effect at inference."""

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        return inputs[0]

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0]


@dataclass(frozen=True)
class Conv:
    """Convolution of NCHW data with an OIHW weight, and a bias (CO,) as a third input or none.

    `channels` are the output's; `padding` is (top, left, bottom, right).
    """

    channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        channels = require_rank(inputs[0], 4)[1]
        if channels % self.groups or self.channels % self.groups:
            raise Unusable(
                f"{channels} channels and {self.channels} filters are not {self.groups} groups"
            )
        shape = (self.channels, channels // self.groups, *self.kernel)
        parameter(inputs[1], "weight", shape)
        conv = op.nn.conv2d(
            inputs[0],
            inputs[1],
            strides=self.strides,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )
        result = builder.emit(conv, name)
        if len(inputs) == 2:
            return result
        bias = parameter(inputs[2], "bias", (self.channels,))
        return builder.emit(op.add(result, relax.const(_channels(bias))))

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        data, weight, *bias = inputs
        out = reference.conv2d(data, weight, self.strides, self.padding, self.dilation, self.groups)
        return out + _channels(bias[0]) if bias else out


@dataclass(frozen=True)
class BatchNorm:
    """(data - mean) / sqrt(var + epsilon) * gamma + beta; gamma counts as 1, beta as 0 if not used.

    Inputs: data, gamma, beta, moving mean, moving variance.
    """

    epsilon: float
    axis: int
    use_gamma: bool
    use_beta: bool

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        data, shape = inputs[0], shape_of(inputs[0])
        axis = axis_of(self.axis, len(shape))
        vectors = [
            parameter(value, what, (shape[axis],))
            for value, what in zip(
                inputs[1:], ("gamma", "beta", "moving_mean", "moving_var"), strict=True
            )
        ]
        if np.any(vectors[3] + self.epsilon <= 0):
            raise Unusable("its moving_var has negative values", "train it anew")
        gamma, beta, mean, var = self._used(*vectors)
        normalized = op.nn.batch_norm(
            data,
            *map(relax.const, (gamma, beta, mean, var)),
            axis=axis,
            epsilon=self.epsilon,
            training=False,
        )
        return builder.emit(relax.TupleGetItem(builder.emit(normalized), 0), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        data, *vectors = inputs
        shape = [1] * data.ndim
        shape[self.axis] = -1
        gamma, beta, mean, var = (vector.reshape(shape) for vector in self._used(*vectors))
        return (data - mean) / np.sqrt(var + self.epsilon) * gamma + beta

    def _used(
        self, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, var: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        gamma = gamma if self.use_gamma else np.ones_like(gamma)
        beta = beta if self.use_beta else np.zeros_like(beta)
        return gamma, beta, mean, var


@dataclass(frozen=True)
class Dense:
    """Fully connected layer: (N, I) times weight (units, I), and a bias (units,) or none."""

    units: int

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        shape = (self.units, require_rank(inputs[0], 2)[1])
        weight = parameter(inputs[1], "weight", shape)
        product = builder.emit(op.matmul(inputs[0], relax.const(weight.T.copy())), name)
        if len(inputs) == 2:
            return product
        parameter(inputs[2], "bias", (self.units,))
        return builder.emit(op.add(product, inputs[2]))

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        data, weight, *bias = inputs
        return data @ weight.T + bias[0] if bias else data @ weight.T


@dataclass(frozen=True)
class Chain:
    """One layer of one input behind another."""

    first: Function
    second: Dense

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        return self.second.emit(
            builder, name, self.first.emit(builder, f"{name}_data", inputs[0]), *inputs[1:]
        )

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return self.second.evaluate(self.first.evaluate(inputs[0]), *inputs[1:])


@dataclass(frozen=True)
class Softmax:
    """Softmax, or its logarithm, along an axis; `rank` is that of the data, None for any."""

    axis: int
    log: bool = False
    rank: int | None = None

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        rank = len(shape_of(inputs[0]))
        require_rank(inputs[0], self.rank or rank)
        axis = axis_of(self.axis, rank)
        function = op.nn.log_softmax if self.log else op.nn.softmax
        return builder.emit(function(inputs[0], axis=axis), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        shifted = inputs[0] - inputs[0].max(axis=self.axis, keepdims=True)
        total = np.exp(shifted).sum(axis=self.axis, keepdims=True)
        return shifted - np.log(total) if self.log else np.exp(shifted) / total


@dataclass(frozen=True)
class Normalization:
    """Local response normalization across channels (Krizhevsky et al. 2012, section 3.3).

    data / (bias + alpha * mean of the squares of `size` neighbouring channels) ** beta, zeros
    counted beyond the ends.
    """

    size: int
    alpha: float
    beta: float
    bias: float

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        (data,) = inputs
        n, channels, height, width = require_rank(data, 4)
        squares = op.reshape(op.multiply(data, data), (n, 1, channels, height * width))
        reach = (self.size // 2, 0)
        mean = op.nn.avg_pool2d(squares, (self.size, 1), padding=reach, count_include_pad=True)
        base = op.add(
            op.multiply(op.reshape(mean, shape_of(data)), scalar(self.alpha)), scalar(self.bias)
        )
        return builder.emit(op.divide(data, op.power(base, scalar(self.beta))), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        (data,) = inputs
        reach = self.size // 2
        squares = np.pad(data**2, ((0, 0), (reach, reach), (0, 0), (0, 0)))
        total = sum(squares[:, i : i + data.shape[1]] for i in range(self.size))
        return data / (self.bias + self.alpha / self.size * total) ** self.beta
