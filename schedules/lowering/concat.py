"""Convolutions that are concatenated write their channels in place: the copy disappears.

SqueezeNet's fire modules end in the concatenation of two convolutions. Relax computes each into a
tensor of its own and copies both; here they become one function that writes both parts of the
result.
"""

from __future__ import annotations

import tvm
from tvm import relax, tirx
from tvm.ir import Op
from tvm.relax.expr_functor import mutator

from ..hardware import Core
from . import fire
from .convolution import Convolution, NotAConvolution, Slot
from .epilogue import NotElementwise
from .merging import CallMerger, merging_pass, output_buffer
from .schedule_pass import emit

CONCAT = "relax.concat"
_CHANNELS = 1  # axis of NCHW


def concat_in_place(core: Core) -> tvm.transform.Pass:
    """Merges `concat(conv(...), conv(...), ...)` along the channels into one function.

    Runs after fusion, on a module whose concatenations are not yet lowered. A concatenation of
    anything else, or of results that are used elsewhere too, is left alone.
    """
    return merging_pass("ConcatInPlace", _Merger, core)


@mutator
class _Merger(CallMerger):
    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        if call.op != Op.get(CONCAT) or int(call.attrs.axis) != _CHANNELS:
            return call
        parts = [self._producer(field) for field in call.args[0]]
        if None in parts:
            return call
        merged = self._merge_fire(parts, call)
        if merged is None:
            merged = self._merge(parts, call)
        return call if merged is None else merged

    def _merge_fire(self, parts: list, call: relax.Call) -> relax.Expr | None:
        """One call that computes `parts` and what they expand; None if they are no fire module."""
        expands = [part for part in (fire.Part.of(*each) for each in parts) if part is not None]
        if len(parts) != 2 or len(expands) != 2 or not expands[0].data.same_as(expands[1].data):
            return None
        producer = self._producer(expands[0].data, users=2)
        squeeze = fire.Part.of(*producer) if producer else None
        if squeeze is None:
            return None
        merged = fire.merge(squeeze, expands, output_buffer(call, "concat"), self._core)
        return None if merged is None else self._call(*merged, "conv2d_fire", call)

    def _merge(self, parts: list, call: relax.Call) -> relax.Expr | None:
        """One call that computes all `parts`; None when one of them is no convolution of ours."""
        output = output_buffer(call, "concat")
        bodies, params, arguments, first = [], [], [], 0
        for shared, args in parts:
            # Equal convolutions are one function after fusion; each part gets variables of its own.
            func = tvm.ir.load_json(tvm.ir.save_json(shared))
            try:
                conv = emit(Convolution(func, Slot(output, first)), self._core)
            except (NotAConvolution, NotElementwise):
                return None
            bodies.append(conv.body())
            params += list(func.params)[:-1]
            arguments += args
            first += conv.workload.co
        merged = tirx.PrimFunc([*params, output], tirx.SeqStmt(bodies))
        return self._call(merged, arguments, "conv2d_concat", call)
