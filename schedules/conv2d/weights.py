"""Packed weights: tiles of MR output channels, each channel-interleaved along a flat K axis."""

from __future__ import annotations

import numpy as np
from tvm import te, tirx


def packed_shape(weight_shape, mr: int) -> tuple[int, int, int]:
    """(tiles, K, MR) for OIHW `weight_shape`; K = I * H * W, the last tile padded with zeros."""
    co, ci, kh, kw = map(int, weight_shape)
    return (-(-co // mr), ci * kh * kw, mr)


def pack(weight: np.ndarray, mr: int) -> np.ndarray:
    """OIHW float32 weights as (tiles, K, MR): what a micro-kernel reads is consecutive."""
    tiles, k, _ = packed_shape(weight.shape, mr)
    rows = np.zeros((tiles * mr, k), weight.dtype)
    rows[: weight.shape[0]] = weight.reshape(weight.shape[0], k)
    return np.ascontiguousarray(rows.reshape(tiles, mr, k).transpose(0, 2, 1))


def pack_compute(weight: te.Tensor, mr: int) -> te.Tensor:
    """`pack` as a tensor expression, for weights that are no compile-time constants."""
    co, ci, kh, kw = map(int, weight.shape)

    def element(tile, k, row):
        channel = tile * mr + row
        value = weight[channel, k // (kh * kw), k // kw % kh, k % kw]
        return tirx.if_then_else(channel < co, value, tirx.const(0.0, weight.dtype))

    return te.compute(packed_shape((co, ci, kh, kw), mr), element, name="pack_weight")
