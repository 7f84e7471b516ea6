"""Panels that are packed row by row: borders, strides, rows that no vector divides, tails."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schedules import Conv2dWorkload, get
from schedules.conv2d.by_rows import block_for_rows
from schedules.hardware import core
from schedules.testing import Case, check_result

_CORE = core("cortex-a53")


def _config(**knobs) -> dict:
    plain = {"mr": 4, "nr": 12, "block": 1, "share": "pixels", "panel": "packed", "parts": 1}
    return plain | {"tail": 0, **knobs}


def _check(workload: Conv2dWorkload, **knobs) -> None:
    config = _config(**knobs)
    assert config in get("conv2d_gemm").space(workload, _CORE)
    check_result(Case(workload, "conv2d_gemm", config, _CORE, ("bias", "relu")))


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 30), st.integers(1, 40)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(1, 3), st.integers(1, 2)),
    st.tuples(*[st.integers(0, 3)] * 4),
    st.tuples(st.integers(1, 2), st.integers(1, 3)),
    st.sampled_from([4, 8, 12]),
    st.sampled_from(["pixels", "channels"]),
    st.sampled_from([0, 4]),
)
def test_any_shape(shape, kernel, stride, padding, dilation, nr, share, tail):
    n, ci, h, w = shape
    assume(h + padding[0] + padding[2] > (kernel[0] - 1) * dilation[0])
    assume(w + padding[1] + padding[3] > (kernel[1] - 1) * dilation[1])
    workload = Conv2dWorkload(
        n, ci, h, w, 5, *kernel, stride=stride, padding=padding, dilation=dilation
    )
    block = block_for_rows(workload, nr, (1, 2, 4, 8, 16, 32)) if share == "pixels" else 1
    assume(block)
    config = _config(nr=nr, block=block, share=share, tail=tail)
    assume(config in get("conv2d_gemm").space(workload, _CORE))
    _check(workload, **config)


@pytest.mark.parametrize("share", ["pixels", "channels"])
@pytest.mark.parametrize("size", [(13, 13), (14, 27), (9, 85)])  # 85: rows are a loop of vectors
@pytest.mark.parametrize("stride", [1, 2])
def test_tails(share, size, stride):
    workload = Conv2dWorkload(2, 3, *size, 9, 3, 3, stride=(stride,) * 2, padding=(1, 1, 1, 1))
    block = block_for_rows(workload, 12, (1, 2, 4, 8, 16)) if share == "pixels" else 1
    has_tail = 0 < workload.pixels % 12 <= 4
    _check(workload, block=block, share=share, tail=4 if has_tail else 0)


def test_parts_of_the_sum():
    workload = Conv2dWorkload(1, 114, 14, 14, 8, 3, 3, padding=(1, 1, 1, 1))
    _check(workload, share="channels", parts=2, tail=4)


def test_what_does_not_pay():
    """Single taps, every third pixel, rows shorter than a vector, and less than two rows."""
    plain = {"n": 1, "ci": 4, "h": 9, "w": 40, "co": 4, "kh": 3, "kw": 3}
    assert block_for_rows(Conv2dWorkload(**plain), 12, (1, 2, 4, 8)) == 8
    assert block_for_rows(Conv2dWorkload(**plain), 12, (1, 2, 4)) is None
    assert block_for_rows(Conv2dWorkload(**plain | {"kh": 1, "kw": 1}), 12, (8,)) is None
    assert block_for_rows(Conv2dWorkload(**plain, stride=(1, 3)), 12, (8,)) is None
    assert block_for_rows(Conv2dWorkload(**plain | {"w": 5}), 12, (8,)) is None
