"""Workloads: keys, derived sizes, and what is no convolution."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules import Conv2dWorkload

_size = st.integers(1, 300)


@given(
    sizes=st.tuples(_size, _size, st.integers(8, 300), st.integers(8, 300), _size),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.tuples(*[st.integers(0, 3)] * 4),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_keys_round_trip(sizes, kernel, stride, padding, dilation):
    workload = Conv2dWorkload(*sizes, *kernel, stride=stride, padding=padding, dilation=dilation)
    assert Conv2dWorkload.from_key(workload.key) == workload


@given(text=st.text())
def test_other_text_is_no_key(text):
    with pytest.raises(ValueError, match="not a workload key"):
        Conv2dWorkload.from_key(text)


@pytest.mark.parametrize("change", [("n1_", "n01_"), ("64x55", "64x5\u0665"), ("_g1", "_g1 ")])
def test_a_workload_has_one_key_only(change):
    key = Conv2dWorkload(1, 64, 55, 55, 16, 1, 1).key
    with pytest.raises(ValueError, match="not a workload key"):
        Conv2dWorkload.from_key(key.replace(*change))


def test_the_key_is_stable():
    workload = Conv2dWorkload(1, 64, 55, 55, 16, 1, 1)
    assert workload.key == "conv2d/float32/n1_64x55x55/16x1x1/s1x1_p0x0x0x0_d1x1_g1"


def test_derived_sizes():
    first = Conv2dWorkload(1, 3, 224, 224, 64, 3, 3, stride=(2, 2))
    assert (first.oh, first.ow, first.k) == (111, 111, 27)
    assert first.macs == 64 * 111 * 111 * 27
    assert first.flops == 2 * first.macs
    assert first.bytes == 4 * (3 * 224 * 224 + 64 * 27 + 64 * 111 * 111)
    depthwise = Conv2dWorkload(2, 8, 14, 14, 8, 3, 3, groups=8, dtype="int8")
    assert depthwise.bytes == 2 * 8 * 14 * 14 + 8 * 9 + 2 * 8 * 12 * 12
    assert first.describe() == "3x3/2 3->64 @224x224"
    assert not first.is_pointwise


@pytest.mark.parametrize(
    "change", [{"h": 0}, {"groups": 2}, {"kh": 9}, {"stride": (0, 1)}, {"padding": (-1, 0, 0, 0)}]
)
def test_sizes_that_no_convolution_has(change):
    sizes = {"n": 1, "ci": 3, "h": 8, "w": 8, "co": 4, "kh": 3, "kw": 3}
    with pytest.raises(ValueError):
        Conv2dWorkload(**{**sizes, **change})
