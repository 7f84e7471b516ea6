"""A convolution that only a max pooling reads becomes one function with it."""

from __future__ import annotations

import tvm
from tvm import relax, tirx
from tvm.relax.expr_functor import mutator

from ..conv2d import pooled
from ..conv2d.facts import CORES
from ..conv2d.packed import PackedConv2d
from ..hardware import Core
from ..registry import get
from . import max_pool
from .convolution import Convolution, NotAConvolution, Slot
from .epilogue import NotElementwise
from .merging import CallMerger, merging_pass, output_buffer
from .targets import current_threads


def pool_in_place(core: Core) -> tvm.transform.Pass:
    """Merges `max_pool2d(conv(...))` into one function where that pays.

    Runs after fusion. Convolutions that are computed in another domain (Winograd), or whose result
    is used elsewhere too, are left alone.
    """
    return merging_pass("PoolInPlace", _Merger, core)


@mutator
class _Merger(CallMerger):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        pooling = self._called(call)
        pool = max_pool.find_annotated(pooling[0]) if pooling else None
        producer = self._producer(pooling[1][0]) if pooling and pool else None
        if pool is None or producer is None:
            return call
        func, arguments = producer
        merged = merge(func, pool, output_buffer(call, "pooled"), self._core)
        return call if merged is None else self._call(merged, arguments, "conv2d_max_pool2d", call)


def merge(
    func: tirx.PrimFunc, pool: max_pool.MaxPool, output: tirx.Var, core: Core
) -> tirx.PrimFunc | None:
    """`func`, a convolution, with `pool` behind it; None where that is not served or does not pay.

    Args:
        output: buffer of the pooling's result.
    """
    if func.attrs is not None and "tirx.is_scheduled" in func.attrs:  # merged calls
        return None
    # Equal convolutions are one function after fusion.
    func = tvm.ir.load_json(tvm.ir.save_json(func))
    try:
        conv = Convolution(func, Slot(output, 0))
    except (NotAConvolution, NotElementwise):
        return None
    schedule = get(conv.schedule_name)
    if not isinstance(schedule, PackedConv2d) or not pooled.pays(conv.workload):
        return None
    schedule.validate(conv.workload, core, conv.config)
    tile = schedule.register_tile(conv.config)
    if tile is None or not pooled.supports(conv.workload, pool, tile[1]):
        return None
    pooled.emit(conv, core, tile, pool, current_threads() or CORES)
    return tirx.PrimFunc([*list(func.params)[:-1], output], conv.body())
