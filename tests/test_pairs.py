"""Strided layers of even width: two pixels of a row come with one vector of the input."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from schedules import Conv2dWorkload, get
from schedules.conv2d.pixels import FlatTiling
from schedules.hardware import core
from schedules.lowering.emit import Emitter
from schedules.testing import Case, check_result

_CORE = core("cortex-a53")


@settings(max_examples=40, deadline=None)
@example(1, 1, 1, 4, (2, 3), (2, 0, 0, 2), 1, 4, "pixels")
@example(1, 1, 1, 4, (1, 2), (0, 0, 1, 1), 1, 4, "pixels")
@example(1, 1, 1, 4, (1, 2), (0, 0, 1, 1), 1, 4, "channels")
@given(
    n=st.integers(1, 2),
    ci=st.integers(1, 9),
    h=st.integers(1, 17),
    w=st.integers(4, 20),
    kernel=st.sampled_from([(1, 1), (1, 2), (2, 3), (3, 3)]),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    stride=st.integers(1, 3),
    nr=st.sampled_from([4, 8, 12]),
    share=st.sampled_from(["pixels", "channels"]),
)
def test_any_shape(n, ci, h, w, kernel, padding, stride, nr, share):
    assume(h + padding[0] + padding[2] >= kernel[0] and w + padding[1] + padding[3] >= kernel[1])
    workload = Conv2dWorkload(n, ci, h, w, 5, *kernel, stride=(stride, 2), padding=padding)
    config = {"mr": 4, "nr": nr, "block": 1, "share": share, "panel": "packed", "parts": 1}
    config["tail"] = 0
    assume(config in get("conv2d_gemm").space(workload, _CORE))
    check_result(Case(workload, "conv2d_gemm", config, _CORE, ("bias", "relu")))


@pytest.mark.parametrize(
    ("shape", "in_pairs"),
    [
        ({"w": 28}, True),
        ({"w": 27}, False),  # the last vector of the last row would reach behind the input
        ({"w": 26}, False),  # a row ends within a vector
        ({"w": 28, "stride": (2, 1)}, False),
        ({"w": 28, "kw": 3}, False),
        ({"w": 28, "kw": 3, "padding": (0, 1, 0, 1)}, True),
    ],
)
def test_which_are_read_in_pairs(shape, in_pairs):
    workload = Conv2dWorkload(
        **{"n": 1, "ci": 4, "h": 8, "co": 8, "kh": 1, "kw": 1} | {"stride": (2, 2)} | shape
    )
    e = Emitter()
    tiling = FlatTiling(workload, 12)
    runs = tiling.input_runs(e, tiling.origin(e, 0))
    assert all(bool(run.pairs) == in_pairs for run in runs)
    assert len(runs) == (3 if in_pairs else 12)
