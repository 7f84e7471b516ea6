"""Layer types: each says how it is written in Relax and what it computes in float64 numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from tvm import relax
from tvm.relax import op

from tuner import reference


class Layer(Protocol):
    """One layer of a `Graph`."""

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        """Emit the layer's Relax operators; called once, while the module is built."""

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        """Compute the layer in float64."""


@dataclass(frozen=True)
class Conv:
    """Convolution (weight OIHW), bias (1, CO, 1, 1), optional ReLU."""

    weight: np.ndarray
    bias: np.ndarray
    stride: int
    padding: int
    groups: int
    relu: bool

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        conv = op.nn.conv2d(
            inputs[0],
            relax.const(self.weight),
            strides=self.stride,
            padding=self.padding,
            groups=self.groups,
        )
        biased = builder.emit(op.add(builder.emit(conv, name), relax.const(self.bias)))
        return builder.emit(op.nn.relu(biased)) if self.relu else biased

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        stride, padding = (self.stride,) * 2, (self.padding,) * 4
        out = reference.conv2d(inputs[0], self.weight, stride, padding, groups=self.groups)
        out += self.bias
        return np.maximum(out, 0) if self.relu else out


@dataclass(frozen=True)
class MaxPool:
    """Max pooling over square windows."""

    kernel: int
    stride: int
    padding: int
    ceil_mode: bool

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        pool = op.nn.max_pool2d(
            inputs[0],
            self.kernel,
            strides=self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
        )
        return builder.emit(pool, name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return reference.max_pool2d(
            inputs[0], self.kernel, self.stride, self.padding, self.ceil_mode
        )


@dataclass(frozen=True)
class Add:
    """Sum of two tensors of one shape, optional ReLU."""

    relu: bool

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        total = builder.emit(op.add(*inputs), name)
        return builder.emit(op.nn.relu(total)) if self.relu else total

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        total = np.add(*inputs)
        return np.maximum(total, 0) if self.relu else total


@dataclass(frozen=True)
class Concat:
    """Concatenation along the channels."""

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        return builder.emit(op.concat(list(inputs), axis=1), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return np.concatenate(inputs, axis=1)


@dataclass(frozen=True)
class GlobalAveragePool:
    """Mean of each channel, flattened to (N, C)."""

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        pooled = builder.emit(op.nn.adaptive_avg_pool2d(inputs[0], (1, 1)), name)
        return builder.emit(op.reshape(pooled, (int(pooled.ty.shape[0]), -1)))

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0].mean(axis=(2, 3))


@dataclass(frozen=True)
class Dense:
    """Fully connected layer: (N, I) times weight (O, I), plus bias (1, O)."""

    weight: np.ndarray
    bias: np.ndarray

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        transposed = builder.emit(op.permute_dims(relax.const(self.weight)))
        product = builder.emit(op.matmul(inputs[0], transposed), name)
        return builder.emit(op.add(product, relax.const(self.bias)))

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0] @ self.weight.T.astype(np.float64) + self.bias


@dataclass(frozen=True)
class Softmax:
    """Softmax over the classes."""

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        return builder.emit(op.nn.softmax(inputs[0], axis=1), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        return reference.softmax(inputs[0])
