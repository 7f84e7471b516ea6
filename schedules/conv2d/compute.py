"""The convolution as a tensor expression on packed weights: what it means, not how it runs.

Relax fuses elementwise operators behind it; the late pass then replaces its loops by the chosen
schedule's. It is correct by itself, so a function that the pass cannot handle still computes.
"""

from __future__ import annotations

from tvm import te, tirx

from ..lowering.convolution import annotation
from ..workload import Conv2dWorkload


def conv2d_packed(
    data: te.Tensor, weight: te.Tensor, workload: Conv2dWorkload, schedule: str, config
) -> te.Tensor:
    """Convolution of `data` (N, CI, H, W) with `weight` packed as (tiles, K, MR); NCHW result."""
    top, left, bottom, right = workload.padding
    height, width = workload.h + top + bottom, workload.w + left + right
    padded = data
    if any(workload.padding):

        def pixel(n, c, y, x):
            inside = tirx.all(y >= top, y < top + workload.h, x >= left, x < left + workload.w)
            value = data[n, c, y - top, x - left]
            return tirx.if_then_else(inside, value, tirx.const(0.0, data.dtype))

        padded = te.compute((workload.n, workload.ci, height, width), pixel, name="data_pad")
    mr = int(weight.shape[2])
    taps = workload.kh * workload.kw
    k = te.reduce_axis((0, workload.k), name="k")

    def output(n, c, y, x):
        row = y * workload.stride[0] + k // workload.kw % workload.kh * workload.dilation[0]
        column = x * workload.stride[1] + k % workload.kw * workload.dilation[1]
        return te.sum(padded[n, k // taps, row, column] * weight[c // mr, k, c % mr], axis=k)

    return te.compute(
        (workload.n, workload.co, workload.oh, workload.ow),
        output,
        name="conv2d",
        attrs=annotation(workload, schedule, config),
    )
