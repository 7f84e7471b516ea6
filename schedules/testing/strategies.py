"""Hypothesis strategies: any convolution, and any member of a knob space."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ..workload import Conv2dWorkload

MAX_MACS = 3_000_000
"""Of a drawn convolution: a millisecond or two here, under a second on an emulated board."""

KINDS = {
    "pointwise": Conv2dWorkload(1, 16, 14, 14, 16, 1, 1),
    "3x3": Conv2dWorkload(1, 16, 14, 14, 16, 3, 3),
    "direct": Conv2dWorkload(1, 16, 14, 14, 16, 5, 5, stride=(2, 2)),
    "depthwise": Conv2dWorkload(1, 16, 14, 14, 16, 3, 3, groups=16),
    "grouped": Conv2dWorkload(1, 16, 14, 14, 16, 3, 3, groups=4),
    "large": Conv2dWorkload(1, 2, 72, 72, 32, 1, 1),
}
"""What can be drawn, with a plain example. "3x3" has stride and dilation 1; "direct", "depthwise"
and "grouped" have any kernel, stride and dilation; "large" has an output of `LARGE_OUTPUT`."""

LARGE_OUTPUT = 512 << 10
"""Bytes: what the smallest L2 caches hold."""

_MAX_SIDE = 40


def workloads(kinds: Iterable[str] = tuple(KINDS)) -> SearchStrategy[Conv2dWorkload]:
    """Float32 convolutions of `kinds` with 1 to 1000 channels, of at most `MAX_MACS`.

    Padding is any on each side; maps are small where channels are many.
    """
    return _workloads(tuple(kinds))


@st.composite
def _workloads(draw: DrawFn, kinds: tuple[str, ...]) -> Conv2dWorkload:
    kind = draw(st.sampled_from(kinds))
    if kind == "large":
        return draw(_large())
    kernel, stride, dilation = (1, 1), (1, 1), (1, 1)
    if kind == "3x3":
        kernel = (3, 3)
    elif kind != "pointwise":
        size, step = st.sampled_from((3, 1, 2, 5, 7)), st.integers(1, 3)
        kernel, stride = draw(st.tuples(size, size)), draw(st.tuples(step, step))
        dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    taps = kernel[0] * kernel[1]
    groups, ci, co = _channels(draw, kind, MAX_MACS // taps)
    pixels = MAX_MACS // (ci * co // groups * taps)
    side = max(1, min(_MAX_SIDE, int(pixels**0.5)))
    oh, ow = draw(st.integers(1, side)), draw(st.integers(1, side))
    around = st.integers(0, 3)
    padding = draw(st.tuples(around, around, around, around))
    if kind == "pointwise" and draw(st.booleans()):
        padding = (0, 0, 0, 0)
    # The input that gives OH x OW; `spare` columns and rows at the end are under no window.
    h, w = (
        max(1, (out - 1) * step + gap * (taps_of - 1) + 1 + draw(st.integers(0, step - 1)) - border)
        for out, step, gap, taps_of, border in (
            (oh, stride[0], dilation[0], kernel[0], padding[0] + padding[2]),
            (ow, stride[1], dilation[1], kernel[1], padding[1] + padding[3]),
        )
    )
    n = draw(st.sampled_from((1, 1, 2)))
    sizes = (n, ci, h, w, co, *kernel)
    return Conv2dWorkload(*sizes, stride=stride, padding=padding, dilation=dilation, groups=groups)


@st.composite
def _large(draw: DrawFn) -> Conv2dWorkload:
    kernel, stride = draw(st.sampled_from((1, 1, 3))), draw(st.integers(1, 2))
    co, oh = draw(st.integers(20, 50)), draw(st.integers(50, 90))
    ow = -(-LARGE_OUTPUT // 4 // (co * oh)) + draw(st.integers(0, 5))
    outputs = co * oh * ow
    ci = draw(st.integers(1, max(1, MAX_MACS // (outputs * kernel**2))))
    h, w = ((out - 1) * stride + kernel for out in (oh, ow))
    before, after = draw(st.tuples(*[st.integers(0, kernel // 2)] * 2))
    padding = (before, after, after, before)
    sizes = (1, ci, h - before - after, w - before - after, co, kernel, kernel)
    return Conv2dWorkload(*sizes, stride=(stride, stride), padding=padding)


def _channels(draw: DrawFn, kind: str, limit: int) -> tuple[int, int, int]:
    """(groups, CI, CO) with CI * CO / groups at most `limit`, each from 1 to 1000."""
    few_or_many = st.one_of(st.integers(1, 20), st.integers(1, 1000))
    if kind == "depthwise":
        channels = draw(st.one_of(st.integers(2, 20), st.integers(2, 1000)))
        return channels, channels, channels
    if kind == "grouped":
        groups = draw(st.integers(2, 8))
        return groups, groups * draw(st.integers(2, 9)), groups * draw(st.integers(1, 9))
    one = draw(few_or_many)
    other = draw(st.one_of(st.integers(1, 20), st.integers(1, max(1, min(1000, limit // one)))))
    return (1, one, other) if draw(st.booleans()) else (1, other, one)
