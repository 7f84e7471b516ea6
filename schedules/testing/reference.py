"""The float64 convolution that every result is compared with."""

from __future__ import annotations

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
