"""Every schedule keeps every promise on every core: the suite that `schedules.testing` ships."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import schedules
from schedules import Conv2dWorkload, KnobSpace, hardware, registry
from schedules.conv2d.gemm import Conv2dGemm
from schedules.testing import (
    SHAPES,
    Case,
    NotConforming,
    ScheduleConformance,
    check_result,
    check_schedule,
    problem,
)
from tuner.measure import BoardRunner


class TestOnTheHost(ScheduleConformance):
    samples = 0
    examples = 3


@pytest.mark.board
class TestOnTheBoards(ScheduleConformance):
    """A sample: the assembly of each core, in the loop nests of each schedule."""

    shapes = (*SHAPES[1::3], SHAPES[-1])
    samples = 0
    # The loop nests meet random shapes on the host; nothing of the other two runs on a board.
    test_random_shapes = None
    test_supports_never_raises = None
    test_spaces_and_refusals = None

    @pytest.fixture
    def runner(self, running_board, core_name):
        return BoardRunner(running_board(hardware.resolve(core_name).name))


def _raise(self, workload, core):
    raise KeyError(workload.dtype)


def _emit_zeros(self, conv, core, config):
    workload = conv.workload
    conv.e.fill_zero(conv.output, 0, workload.n * workload.co * workload.pixels)


BREAKS = {
    "supports raises": {"supports": _raise},
    "supports returns 1": {"supports": lambda self, workload, core: 1},
    "the space is empty": {"space": lambda self, workload, core: KnobSpace({"mr": ()})},
    "is not in the space": {"default": lambda self, workload, core: {"mr": 5}},
    "for one thread": {"default_for_one": lambda self, workload, core: {"mr": 5}},
    "fitness is not in": {"fitness": lambda self, workload, core: 2.0},
    "error_growth": {"error_growth": lambda self, config: 0.5},
    "not contiguous float32": {"pack": lambda self, weight, workload, config: weight},
    "pack and pack_compute differ": {
        "pack": lambda self, weight, workload, config: np.ones(
            self.packed_shape(workload, config), np.float32
        )
    },
    "does not compile": {"emit": lambda self, conv, core, config: conv.no_such_thing},
    "values are not numbers": {"emit": lambda self, conv, core, config: None},
    "values are off": {"emit": _emit_zeros},
    "is not refused": {"validate": lambda self, workload, core, config: None},
}


@pytest.mark.parametrize("complaint", BREAKS)
def test_a_broken_promise_is_found(complaint, monkeypatch):
    monkeypatch.setattr(registry, "_schedules", dict(registry._schedules))
    broken = type("Broken", (Conv2dGemm,), BREAKS[complaint])
    schedules.schedule("conv2d_broken", version=1)(broken)
    workload = Conv2dWorkload(1, 5, 7, 6, 9, 1, 1)
    with pytest.raises(NotConforming, match=complaint):
        check_schedule("conv2d_broken", hardware.core("cortex-a17"), workloads=[workload])


def test_a_schedule_that_supports_nothing_is_not_passed():
    first = Conv2dWorkload(1, 3, 27, 27, 10, 5, 5)
    with pytest.raises(NotConforming, match="conv2d_winograd supports none of 1 workloads"):
        check_schedule("conv2d_winograd", hardware.core("cortex-a17"), workloads=[first])


def test_without_hypothesis_the_suite_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    for name in ("schedules.testing.conformance", "schedules.testing.strategies"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ImportError, match=r"needs hypothesis.*pip install"):
        schedules.testing.__getattr__("ScheduleConformance")
    assert schedules.testing.check_schedule is check_schedule


def test_a_bound_beside_the_map_covers_what_transforms_spread():
    """Windows that lie in the padding sum to zero, but Winograd's rounding reaches them."""
    workload = Conv2dWorkload(1, 4, 6, 3, 8, 3, 3, padding=(0, 0, 0, 3))
    task = problem(workload, ())
    assert not task.bound[..., 3].any()
    assert task.allowed(16.0)[..., 3].all()
    assert (task.allowed(16.0) >= 16 * task.bound).all()
    assert task.allowed(1.0) is task.bound
    core = hardware.core("cortex-a17")
    space = schedules.get("conv2d_winograd").space(workload, core)
    config = next(config for config in space if config["m"] == 4)
    case = Case(workload, "conv2d_winograd", config, core, epilogue=())
    assert check_result(case).max_err > 0
