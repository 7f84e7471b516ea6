"""The border of zeros that a convolution pads its input with."""

from __future__ import annotations

from tvm import te, tirx
from tvm.tirx import ForKind

from ..lowering.convolution import Convolution
from ..lowering.emit import zero
from ..workload import Conv2dWorkload


def padded_plane(workload: Conv2dWorkload) -> tuple[int, int]:
    """Rows and columns of an input plane with its border."""
    top, left, bottom, right = workload.padding
    return workload.h + top + bottom, workload.w + left + right


def pad_compute(data: te.Tensor, workload: Conv2dWorkload) -> te.Tensor:
    """`data` (N, CI, H, W) with its border, as a tensor expression; `data` itself without one."""
    if not any(workload.padding):
        return data
    top, left, _, _ = workload.padding

    def pixel(n, c, y, x):
        inside = tirx.all(y >= top, y < top + workload.h, x >= left, x < left + workload.w)
        value = data[n, c, y - top, x - left]
        return tirx.if_then_else(inside, value, tirx.const(0.0, data.dtype))

    shape = (workload.n, workload.ci, *padded_plane(workload))
    return te.compute(shape, pixel, name="data_pad")


def emit_padded(conv: Convolution):
    """Emits a copy of the input with its border and returns the flat buffer that holds it.

    Where what computes the input has written it with its border already, there is nothing to copy.
    """
    e, workload = conv.e, conv.workload
    if conv.source is not None:
        return conv.source
    if not any(workload.padding):
        return conv.data
    height, width = padded_plane(workload)
    padded = e.alloc("data_padded", workload.n * workload.ci * height * width)
    with e.loop(workload.n * workload.ci, "plane", ForKind.PARALLEL) as plane:
        copy_padded_plane(conv, plane, padded, plane * (height * width))
    return padded


def copy_padded_plane(conv: Convolution, plane, padded, start) -> None:
    """Emits a copy of input plane number `plane` with its border into `padded` from `start`."""
    top, _, bottom, _ = conv.workload.padding
    height, width = padded_plane(conv.workload)
    conv.e.fill_zero(padded, start, top * width)
    _copy_rows(conv, plane, padded, start, 0, conv.workload.h)
    conv.e.fill_zero(padded, start + (height - bottom) * width, bottom * width)


def copy_padded_rows(conv: Convolution, plane, padded, first, count) -> None:
    """The same for `count` rows of the padded plane from `first` on: the others stay as they are.

    `padded` holds one plane. Rows above and below the input are zero, whichever were asked for.
    """
    top, _, bottom, _ = conv.workload.padding
    height, width = padded_plane(conv.workload)
    conv.e.fill_zero(padded, 0, top * width)
    low = conv.e.bind("low", tirx.max(first - top, 0))
    high = conv.e.bind("high", tirx.min(first + count - top, conv.workload.h))
    _copy_rows(conv, plane, padded, 0, low, high - low)
    conv.e.fill_zero(padded, (height - bottom) * width, bottom * width)


def _copy_rows(conv: Convolution, plane, padded, start, first, count) -> None:
    """`count` rows of the input from `first` on, with the border beside them."""
    e, workload = conv.e, conv.workload
    top, left, _, right = workload.padding
    _, width = padded_plane(workload)
    with e.loop(count, "row") as row:
        at = e.bind("at", start + (first + row + top) * width)
        for column in (*range(left), *range(width - right, width)):
            e.store(padded, at + column, zero())
        source = (plane * workload.h + first + row) * workload.w
        e.copy(padded, at + left, conv.data, source, workload.w)
