"""Every schedule computes every workload that it claims, with any config, on the host."""

from __future__ import annotations

import random

import host
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schedules
from schedules import Conv2dWorkload
from schedules.hardware import core, cores

ODD_WORKLOADS = [
    Conv2dWorkload(1, 3, 27, 27, 10, 3, 3, stride=(2, 2)),  # a first layer, 3 channels
    Conv2dWorkload(1, 16, 13, 13, 24, 3, 3, padding=(1, 1, 1, 1)),
    Conv2dWorkload(1, 7, 55, 55, 5, 1, 1),
    Conv2dWorkload(2, 6, 27, 13, 9, 1, 1),  # a batch
    Conv2dWorkload(1, 6, 7, 7, 8, 1, 1, stride=(2, 2)),  # ResNet's shortcut
    Conv2dWorkload(1, 8, 1, 1, 1000, 1, 1),  # one pixel
    Conv2dWorkload(1, 4, 5, 3, 3, 1, 1),  # fewer channels than any register tile
    Conv2dWorkload(1, 5, 11, 12, 6, 5, 3, stride=(1, 2), padding=(2, 1, 0, 3), dilation=(2, 1)),
    Conv2dWorkload(1, 2, 9, 30, 6, 1, 7, padding=(0, 3, 0, 3)),
    Conv2dWorkload(1, 3, 23, 23, 7, 7, 7, stride=(2, 2), padding=(3, 3, 3, 3)),
    Conv2dWorkload(1, 6, 14, 14, 6, 3, 3, padding=(1, 1, 1, 1), groups=6),
    Conv2dWorkload(2, 5, 13, 27, 5, 3, 3, stride=(2, 2), padding=(1, 1, 1, 1), groups=5),
    Conv2dWorkload(1, 3, 11, 9, 3, 5, 5, padding=(2, 2, 2, 2), groups=3),
    Conv2dWorkload(1, 3, 19, 22, 3, 3, 3, stride=(1, 3), dilation=(2, 1), groups=3),
    Conv2dWorkload(1, 6, 13, 13, 10, 5, 5, padding=(2, 2, 2, 2), groups=2),  # as in AlexNet
    Conv2dWorkload(2, 64, 7, 9, 64, 3, 3, padding=(1, 1, 1, 1), groups=32),  # as in ResNeXt
    Conv2dWorkload(1, 9, 8, 3, 27, 1, 1, groups=3),
    Conv2dWorkload(1, 5, 9, 11, 10, 3, 2, stride=(2, 1), padding=(0, 1, 1, 0), groups=5),
    Conv2dWorkload(3, 37, 1, 1, 41, 1, 1),  # a fully connected layer
]


def _supported() -> list:
    return [
        pytest.param(name, workload, id=f"{name}-{workload.describe()}")
        for name in schedules.list()
        for workload in ODD_WORKLOADS
        if schedules.get(name).supports(workload, host.PORTABLE_CORE)
    ]


@pytest.mark.parametrize(("name", "workload"), _supported())
def test_default_and_sampled_configs_compute_the_convolution(name, workload):
    schedule = schedules.get(name)
    arrays = host.random_arrays(workload)
    exact = host.expected(workload, *arrays)
    space = schedule.space(workload, host.PORTABLE_CORE)
    default = schedule.default(workload, host.PORTABLE_CORE)
    for config in [default, *space.sample(random.Random(workload.key), 3)]:
        host.assert_close(host.run(workload, name, config, arrays), exact)


@st.composite
def workloads(draw) -> Conv2dWorkload:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = draw(st.tuples(*[st.integers(0, 2)] * 4))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    size = st.integers(9, 17)
    channels = draw(st.integers(1, 6))
    depthwise = draw(st.booleans())
    groups = 1 if depthwise else draw(st.integers(1, 3))
    return Conv2dWorkload(
        draw(st.integers(1, 2)),
        channels * groups,
        draw(size),
        draw(size),
        channels if depthwise else draw(st.integers(1, 9)) * groups,
        *kernel,
        groups=channels if depthwise else groups,
        stride=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        padding=padding,
        dilation=dilation,
    )


@settings(max_examples=12, deadline=None)
@given(workload=workloads(), data=st.data())
def test_any_workload_with_any_config(workload, data):
    fitting = schedules.find(workload, host.PORTABLE_CORE)
    schedule = data.draw(st.sampled_from(fitting))
    config = data.draw(st.sampled_from(schedule.space(workload, host.PORTABLE_CORE).configs))
    epilogue = data.draw(st.sampled_from([(), ("bias",), ("relu",), ("bias", "relu")]))
    arrays = host.random_arrays(workload)
    result = host.run(workload, schedule.name, config, arrays, epilogue)
    host.assert_close(result, host.expected(workload, *arrays, epilogue))


@pytest.mark.parametrize("core_name", cores())
@pytest.mark.parametrize(("name", "workload"), _supported())
def test_spaces_and_defaults(name, workload, core_name):
    schedule, the_core = schedules.get(name), core(core_name)
    if not schedule.supports(workload, the_core):
        pytest.skip("not on this core")
    space = schedule.space(workload, the_core)
    assert schedule.default(workload, the_core) in space
    assert len(space) == len(list(space)) == len({str(config) for config in space})
    vectors = [schedules.features(workload, the_core, name, config) for config in space]
    assert len({len(vector) for vector in vectors}) == 1
    assert 0 < schedule.fitness(workload, the_core) <= 1


def test_feature_vectors_have_one_length_for_all_schedules():
    lengths = set()
    for workload in ODD_WORKLOADS:
        for schedule in schedules.find(workload, host.PORTABLE_CORE):
            config = schedule.default(workload, host.PORTABLE_CORE)
            lengths.add(
                len(schedules.features(workload, host.PORTABLE_CORE, schedule.name, config))
            )
    assert len(lengths) == 1


def test_an_unknown_schedule_suggests_the_closest():
    with pytest.raises(KeyError, match="did you mean conv2d_gemm"):
        schedules.get("conv2d_gem")


def test_two_schedules_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two schedules are called conv2d_gemm"):
        schedules.schedule("conv2d_gemm", version=1)(type(schedules.get("conv2d_gemm")))
