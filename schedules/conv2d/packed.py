"""Base of the schedules that multiply directly with weights packed as tiles of MR channels."""

from __future__ import annotations

import numpy as np
from tvm import te, tirx

from ..knobs import Config
from ..lowering.convolution import annotated
from ..registry import Schedule
from ..workload import Conv2dWorkload
from .padding import pad_compute


def tiles_shape(workload: Conv2dWorkload, mr: int) -> tuple[int, int, int]:
    """(tiles, K, MR) of packed weights."""
    return (-(-workload.co // mr), workload.k, mr)


def pack_tiles(weight: np.ndarray, workload: Conv2dWorkload, mr: int) -> np.ndarray:
    """`weight` (OIHW) as tiles of MR channels, zeros behind the last channel."""
    tiles, k, _ = tiles_shape(workload, mr)
    rows = np.zeros((tiles * mr, k), weight.dtype)
    rows[: workload.co] = weight.reshape(workload.co, k)
    return np.ascontiguousarray(rows.reshape(tiles, mr, k).transpose(0, 2, 1))


def tap(workload: Conv2dWorkload, k) -> tuple:
    """(input channel, kernel row, kernel column) of index `k` of the flat K axis."""
    taps = workload.kh * workload.kw
    return k // taps, k // workload.kw % workload.kh, k % workload.kw


class PackedConv2d(Schedule):
    """Weights as (tiles, K, MR), K = (ci, kh, kw) flat: what a micro-kernel reads is consecutive.

    The last tile is padded with zero channels. MR is the knob `mr`.
    """

    def register_tile(self, config: Config) -> tuple[int, int] | None:
        """(MR, NR), if another nest may compute the convolution from the packed weights.

        That of a convolution with the pooling behind it does. None: only the schedule's own.
        """
        return None

    def packed_shape(self, workload: Conv2dWorkload, config: Config) -> tuple[int, int, int]:
        return tiles_shape(workload, int(config["mr"]))

    def pack(self, weight: np.ndarray, workload: Conv2dWorkload, config: Config) -> np.ndarray:
        return pack_tiles(weight, workload, int(config["mr"]))

    def unpack(self, packed: np.ndarray, workload: Conv2dWorkload) -> np.ndarray:
        """The weights (OIHW) behind `packed`, which `pack` made with any config."""
        tiles, k, mr = packed.shape
        rows = packed.transpose(0, 2, 1).reshape(tiles * mr, k)
        return rows[: workload.co].reshape(workload.weight_shape)

    def pack_compute(self, weight: te.Tensor, workload: Conv2dWorkload, config: Config):
        shape = self.packed_shape(workload, config)

        def element(tile, k, row):
            channel = tile * shape[2] + row
            ci, kh, kw = tap(workload, k)
            value = weight[channel, ci, kh, kw]
            return tirx.if_then_else(channel < workload.co, value, tirx.const(0.0, weight.dtype))

        return te.compute(shape, element, name="pack_weight")

    def compute(
        self, data: te.Tensor, weight: te.Tensor, workload: Conv2dWorkload, config: Config
    ) -> te.Tensor:
        padded = pad_compute(data, workload)
        mr = int(config["mr"])
        k = te.reduce_axis((0, workload.k), name="k")

        def output(n, c, y, x):
            ci, kh, kw = tap(workload, k)
            row = y * workload.stride[0] + kh * workload.dilation[0]
            column = x * workload.stride[1] + kw * workload.dilation[1]
            return te.sum(padded[n, ci, row, column] * weight[c // mr, k, c % mr], axis=k)

        return annotated(output, workload, self.name, config)
