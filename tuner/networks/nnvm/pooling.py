"""Max and average pooling, with the ways that NNVM and MXNet have to count at the borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from tvm import relax
from tvm.relax import op

from tuner.networks.nnvm.errors import Unusable
from tuner.networks.nnvm.values import require_rank

Counted = Literal["data", "padding", "window"]


@dataclass(frozen=True)
class Pool:
    """Pooling of NCHW data over windows.

    Attributes:
        average: the mean of a window; else the largest element, padding never being it.
        padding: (top, left, bottom, right).
        ceil_mode: keep the last window where it is partial.
        counted: what the mean is over. "data": the elements of the data. "padding": those of the
            padding too, as zeros, but not what a partial window lacks beyond it (MXNet).
            "window": as many as a window has (NNVM).
    """

    average: bool
    kernel: tuple[int, int]
    strides: tuple[int, int]
    padding: tuple[int, int, int, int]
    ceil_mode: bool
    counted: Counted = "data"

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        sizes = require_rank(inputs[0], 4)[2:]
        for starts, kernel, size in zip(self._starts(sizes), self.kernel, sizes, strict=True):
            if not starts or starts[0] + kernel <= 0 or starts[-1] >= size:
                raise Unusable(f"a window lies outside of its data, {sizes[0]}x{sizes[1]}")
        if not self.average:
            pool = op.nn.max_pool2d(inputs[0], self.kernel, **self._shared())
            return builder.emit(pool, name)
        pool = op.nn.avg_pool2d(
            inputs[0], self.kernel, **self._shared(), count_include_pad=self.counted != "data"
        )
        if self.counted != "window":
            return builder.emit(pool, name)
        # TVM does not count what a partial window lacks.
        counts, whole = self._counts(sizes, "padding"), self.kernel[0] * self.kernel[1]
        if np.all(counts == whole):
            return builder.emit(pool, name)
        factors = (counts / whole).astype(np.float32)[np.newaxis, np.newaxis]
        return builder.emit(op.multiply(builder.emit(pool), relax.const(factors)), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        (data,) = inputs
        rows, columns = self._starts(data.shape[2:])
        top, left = self.padding[:2]
        reach = [
            max(0, starts[-1] + kernel - size)
            for starts, kernel, size in zip(
                (rows, columns), self.kernel, data.shape[2:], strict=True
            )
        ]
        border = ((0, 0), (0, 0), (top, reach[0]), (left, reach[1]))
        padded = np.pad(data, border, constant_values=0 if self.average else -np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.kernel, axis=(2, 3))
        windows = windows[:, :, :: self.strides[0], :: self.strides[1]]
        windows = windows[:, :, : len(rows), : len(columns)]
        if not self.average:
            return windows.max(axis=(4, 5))
        return windows.sum(axis=(4, 5)) / self._counts(data.shape[2:], self.counted)

    def _shared(self) -> dict:
        return {"strides": self.strides, "padding": self.padding, "ceil_mode": self.ceil_mode}

    def _starts(self, sizes: Sequence[int]) -> tuple[range, range]:
        """Return the first row of each window, and the first column; padding's are negative."""
        starts = []
        for axis in (0, 1):
            before, after = self.padding[axis], self.padding[axis + 2]
            room = sizes[axis] + before + after - self.kernel[axis]
            stride = self.strides[axis]
            steps = -(-room // stride) if self.ceil_mode else room // stride
            count = steps + 1 if room >= 0 else 0
            starts.append(range(-before, -before + stride * count, stride))
        return starts[0], starts[1]

    def _counts(self, sizes: Sequence[int], counted: Counted) -> np.ndarray:
        """Return how many elements the mean of each window is over."""
        counts = []
        for axis, starts in enumerate(self._starts(sizes)):
            if counted == "window":
                counts.append(np.full(len(starts), self.kernel[axis]))
                continue
            low, high = 0, sizes[axis]
            if counted == "padding":
                low, high = -self.padding[axis], high + self.padding[axis + 2]
            ends = np.minimum(np.array(starts) + self.kernel[axis], high)
            counts.append(ends - np.maximum(np.array(starts), low))
        return np.outer(*counts)


@dataclass(frozen=True)
class GlobalPool:
    """The mean or the largest element of each channel: (N, C, H, W) -> (N, C, 1, 1)."""

    average: bool

    def emit(self, builder: relax.BlockBuilder, name: str, *inputs: relax.Expr) -> relax.Expr:
        require_rank(inputs[0], 4)
        if self.average:
            return builder.emit(op.nn.adaptive_avg_pool2d(inputs[0], (1, 1)), name)
        return builder.emit(op.max(inputs[0], axis=[2, 3], keepdims=True), name)

    def evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        reduce = np.mean if self.average else np.max
        return reduce(inputs[0], axis=(2, 3), keepdims=True)
