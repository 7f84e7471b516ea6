"""Float64 operators in numpy: what every measured result is compared with."""

from __future__ import annotations

import math

import numpy as np

from schedules.testing.reference import conv2d as conv2d


def max_pool2d(
    data: np.ndarray, kernel: int, stride: int, padding: int = 0, ceil_mode: bool = False
) -> np.ndarray:
    """Pool NCHW `data` over `kernel` x `kernel` windows; padding never is the largest value.

    With `ceil_mode` a last, partial window is kept, as in torchvision's SqueezeNet.
    """
    rounding = math.ceil if ceil_mode else math.floor
    sizes = data.shape[2:]
    out_h, out_w = (rounding((size + 2 * padding - kernel) / stride) + 1 for size in sizes)
    # What the last window reaches beyond the input.
    bottom, right = (
        max(padding, (out - 1) * stride + kernel - size - padding)
        for out, size in zip((out_h, out_w), sizes, strict=True)
    )
    border = ((0, 0), (0, 0), (padding, bottom), (padding, right))
    padded = np.pad(data, border, constant_values=-np.inf)
    windows = [
        padded[..., row : row + stride * out_h : stride, column : column + stride * out_w : stride][
            ..., :out_h, :out_w
        ]
        for row in range(kernel)
        for column in range(kernel)
    ]
    return np.maximum.reduce(windows)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Normalise `logits` (N, classes) to probabilities."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
