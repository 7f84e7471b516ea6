"""A convolution that only a pooling reads becomes one function with it."""

from __future__ import annotations

import tvm
from tvm import relax, tirx
from tvm.relax.expr_functor import mutator

from ..conv2d import pooled
from ..conv2d.facts import CORES
from ..conv2d.gemm import Conv2dGemm
from ..conv2d.packed import PackedConv2d
from ..hardware import Core
from ..registry import get
from . import max_pool, plane_mean
from .convolution import Convolution, NotAConvolution, Slot
from .epilogue import NotElementwise
from .merging import CallMerger, merging_pass, output_buffer
from .targets import current_threads


def pool_in_place(core: Core) -> tvm.transform.Pass:
    """Merges `max_pool2d(conv(...))`, and the mean of whole maps, into one function where it pays.

    Runs after fusion. Convolutions that are computed in another domain (Winograd), or whose result
    is used elsewhere too, are left alone.
    """
    return merging_pass("PoolInPlace", _Merger, core)


@mutator
class _Merger(CallMerger):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        pooling = self._called(call)
        if pooling is None:
            return call
        pool = max_pool.find_annotated(pooling[0])
        if pool is None and plane_mean.find_annotated(pooling[0]) is None:
            return call
        producer = self._producer(pooling[1][0])
        if producer is None:
            return call
        func, arguments = producer
        output = output_buffer(call, "pooled")
        if pool is None:
            merged, name = merge_mean(func, output, self._core), "conv2d_adaptive_avg_pool2d"
        else:
            merged, name = merge(func, pool, output, self._core), "conv2d_max_pool2d"
        return call if merged is None else self._call(merged, arguments, name, call)


def merge(
    func: tirx.PrimFunc, pool: max_pool.MaxPool, output: tirx.Var, core: Core
) -> tirx.PrimFunc | None:
    """`func`, a convolution, with `pool` behind it; None where that is not served or does not pay.

    Args:
        output: buffer of the pooling's result.
    """
    conv = _convolution(func, output)
    if conv is None:
        return None
    schedule = get(conv.schedule_name)
    if not isinstance(schedule, PackedConv2d) or not pooled.pays(conv.workload):
        return None
    schedule.validate(conv.workload, core, conv.config)
    tile = schedule.register_tile(conv.config)
    if tile is None or not pooled.supports(conv.workload, pool, tile[1]):
        return None
    pooled.emit(conv, core, tile, pool, current_threads() or CORES)
    return tirx.PrimFunc([*list(conv.func.params)[:-1], output], conv.body())


def merge_mean(func: tirx.PrimFunc, output: tirx.Var, core: Core) -> tirx.PrimFunc | None:
    """`func`, a convolution, with the mean of each map; None where a core has no whole maps."""
    conv = _convolution(func, output)
    if conv is None:
        return None
    schedule = get(conv.schedule_name)
    if not isinstance(schedule, Conv2dGemm) or conv.config.get("share") != "channels":
        return None
    schedule.validate(conv.workload, core, conv.config)
    schedule.emit_means(conv, core, conv.config)
    return tirx.PrimFunc([*list(conv.func.params)[:-1], output], conv.body())


def _convolution(func: tirx.PrimFunc, output: tirx.Var) -> Convolution | None:
    """What `func` computes, to be written to `output` in another way; None if that is unknown."""
    if func.attrs is not None and "tirx.is_scheduled" in func.attrs:  # merged calls
        return None
    # Equal convolutions are one function after fusion.
    func = tvm.ir.load_json(tvm.ir.save_json(func))
    try:
        return Convolution(func, Slot(output, 0))
    except (NotAConvolution, NotElementwise):
        return None
