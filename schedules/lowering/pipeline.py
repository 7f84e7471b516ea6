"""The hook into TVM's lowering, and the Relax pipeline that serves our schedules best."""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relax
from tvm.target import Target
from tvm.tirx.compilation_pipeline import PIPELINE_MAP

from .schedule_pass import ScheduleForArm

_NAME = "s_tir"  # what relax.build and tvm.compile lower through by default

_tvm_factory: Callable[[], tuple] | None = None  # TVM's own pipeline factory while ours is in place


def register() -> None:
    """Puts the scheduling pass before TVM's lowering. Doing it twice changes nothing."""
    global _tvm_factory
    if _tvm_factory is None:
        _tvm_factory = PIPELINE_MAP[_NAME]
        PIPELINE_MAP[_NAME] = _with_schedules


def unregister() -> None:
    """Restores TVM's own lowering."""
    global _tvm_factory
    if _tvm_factory is not None:
        PIPELINE_MAP[_NAME] = _tvm_factory
        _tvm_factory = None


def _with_schedules():
    assert _tvm_factory is not None
    lower, finalize_host, finalize_device = _tvm_factory()
    return tvm.transform.Sequential([ScheduleForArm(), lower]), finalize_host, finalize_device


def pipeline(target: Target) -> tvm.transform.Pass:
    """What to build with: `relax.build(mod, target, relax_pipeline=schedules.pipeline(target))`.

    TVM's default pipeline fuses nothing; this one folds constants and fuses what stands behind a
    convolution into it, so that bias and activation cost no pass over memory.
    """
    return relax.get_default_pipeline(target)
