"""Float64 operators in numpy: what every measured result is compared with."""

from __future__ import annotations

import math

import numpy as np


def conv2d(
    data: np.ndarray,
    weight: np.ndarray,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Convolve NCHW `data` with OIHW `weight` in float64.

    Args:
        padding: rows above, columns left, rows below, columns right (TVM's order).

    Returns:
        Array (N, CO, OH, OW), float64.
    """
    top, left, bottom, right = padding
    padded = np.pad(data.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    out_channels, group_in, kernel_h, kernel_w = weight.shape
    out_h = (padded.shape[2] - dilation[0] * (kernel_h - 1) - 1) // stride[0] + 1
    out_w = (padded.shape[3] - dilation[1] * (kernel_w - 1) - 1) // stride[1] + 1
    batch = data.shape[0]
    grouped = padded.reshape(batch, groups, group_in, *padded.shape[2:])
    kernels = weight.astype(np.float64).reshape(groups, -1, group_in, kernel_h, kernel_w)
    out = np.zeros((batch, groups, out_channels // groups, out_h * out_w))
    # One matrix product per kernel position: no im2col copy of K times the input.
    for row in range(kernel_h):
        for column in range(kernel_w):
            top_row, left_column = row * dilation[0], column * dilation[1]
            window = grouped[
                ...,
                top_row : top_row + stride[0] * (out_h - 1) + 1 : stride[0],
                left_column : left_column + stride[1] * (out_w - 1) + 1 : stride[1],
            ]
            out += kernels[..., row, column] @ window.reshape(batch, groups, group_in, -1)
    return out.reshape(batch, out_channels, out_h, out_w)


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
