"""The hook into TVM's lowering, and the Relax pipeline that serves our schedules best."""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relax
from tvm.relax.backend.cpu_generic import pipeline as cpu_generic
from tvm.relax.transform import (
    AnnotateTIROpPattern,
    CanonicalizeBindings,
    FoldConstant,
    FuseOps,
    FuseTIR,
    LegalizeOps,
)
from tvm.target import Target
from tvm.tirx.compilation_pipeline import PIPELINE_MAP

from . import pooling
from .concat import CONCAT, concat_in_place
from .schedule_pass import ScheduleForArm
from .targets import core_of

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


def pipeline(target: Target, *, pool_in_place: bool = True) -> tvm.transform.Pass:
    """What to build with: `relax.build(mod, target, relax_pipeline=schedules.pipeline(target))`.

    TVM's default pipeline fuses nothing. This one is TVM's `relax.get_default_pipeline` for CPUs,
    which folds constants and fuses bias and activation into convolutions, and in which
    concatenated convolutions write their part of the result in place, and fire modules and large
    convolutions with the max pooling behind them are one function. For a target that is no ARM
    CPU it is TVM's unchanged.

    Args:
        pool_in_place: whether a large convolution and the max pooling behind it become one
            function, and a matrix product and the mean of its maps.
    """
    core = core_of(target)
    if core is None:
        return relax.get_default_pipeline(target)
    passes = [
        *cpu_generic.library_dispatch_passes(target),
        LegalizeOps(skip_ops=[CONCAT]),
        # An element of a tuple made on the spot, as decomposed batch norms leave, is not fused.
        CanonicalizeBindings(),
        AnnotateTIROpPattern(),
        FoldConstant(),
        FuseOps(),
        FuseTIR(),
        concat_in_place(core),
        *([pooling.pool_in_place(core)] if pool_in_place else []),
        LegalizeOps(),
        *cpu_generic.dataflow_lower_passes(target),
        *cpu_generic.finalize_passes(target),
    ]

    @tvm.transform.module_pass(opt_level=0, name="ArmPipeline")
    def run(mod: tvm.IRModule, _context) -> tvm.IRModule:
        with target:
            return tvm.transform.Sequential(passes)(mod)

    return run
