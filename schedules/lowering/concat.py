"""Convolutions that are concatenated write their channels in place: the copy disappears.

SqueezeNet's fire modules end in the concatenation of two convolutions. Relax computes each into a
tensor of its own and copies both; here they become one function that writes both parts of the
result.
"""

from __future__ import annotations

import tvm
from tvm import relax, tirx
from tvm.ir import Op
from tvm.relax.expr_functor import PyExprMutator, mutator

from ..hardware import Core
from . import fire
from .convolution import Convolution, NotAConvolution, Slot
from .epilogue import NotElementwise
from .schedule_pass import emit

CONCAT = "relax.concat"
_CHANNELS = 1  # axis of NCHW


@tvm.transform.module_pass(opt_level=0, name="ConcatInPlace")
class ConcatInPlace:
    """Merges `concat(conv(...), conv(...), ...)` along the channels into one function.

    Runs after fusion, on a module whose concatenations are not yet lowered. A concatenation of
    anything else, or of results that are used elsewhere too, is left alone.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    def transform_module(self, mod: tvm.IRModule, _context) -> tvm.IRModule:
        for name, func in mod.functions_items():
            if isinstance(func, relax.Function):
                merger = _Merger(mod, func, self._core)
                mod = merger.run(name, func)
        return relax.transform.DeadCodeElimination()(mod)


@mutator
class _Merger(PyExprMutator):
    def __init__(self, mod: tvm.IRModule, func: relax.Function, core: Core) -> None:
        super().__init__(mod)
        self._mod = mod
        self._core = core
        self._uses = _count_uses(func)

    def run(self, name: tvm.ir.GlobalVar, func: relax.Function) -> tvm.IRModule:
        self.builder_.update_func(name, self.visit_expr(func))
        return self.builder_.get()

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = self.visit_expr_post_order(call)
        if call.op != Op.get(CONCAT) or int(call.attrs.axis) != _CHANNELS:
            return call
        parts = [self._convolution(field) for field in call.args[0]]
        if None in parts:
            return call
        merged = self._merge_fire(parts, call)
        if merged is None:
            merged = self._merge(parts, call)
        return call if merged is None else merged

    def _convolution(self, var, users: int = 1) -> tuple[tirx.PrimFunc, list] | None:
        """(function, arguments) of the call behind `var`, if nothing else needs its result."""
        if not isinstance(var, relax.Var) or self._uses.get(var, 0) != users:
            return None
        producer = self.lookup_binding(var)
        if not isinstance(producer, relax.Call) or producer.op != Op.get("relax.call_tir"):
            return None
        if producer.args[0] not in self._mod.functions:  # a concatenation merged just before
            return None
        return self._mod[producer.args[0]], list(producer.args[1])

    def _merge_fire(self, parts: list, call: relax.Call) -> relax.Expr | None:
        """One call that computes `parts` and what they expand; None if they are no fire module."""
        expands = [part for part in (fire.Part.of(*each) for each in parts) if part is not None]
        if len(parts) != 2 or len(expands) != 2 or not expands[0].data.same_as(expands[1].data):
            return None
        producer = self._convolution(expands[0].data, users=2)
        squeeze = fire.Part.of(*producer) if producer else None
        if squeeze is None:
            return None
        merged = fire.merge(squeeze, expands, _output(call), self._core)
        return None if merged is None else self._call(*merged, "conv2d_fire", call)

    def _merge(self, parts: list, call: relax.Call) -> relax.Expr | None:
        """One call that computes all `parts`; None when one of them is no convolution of ours."""
        output = _output(call)
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

    def _call(
        self, func: tirx.PrimFunc, arguments: list, name: str, concat: relax.Call
    ) -> relax.Call:
        """Adds `func` to the module; its call takes the place of `concat`."""
        func = func.with_attrs({"tirx.is_scheduled": True, "tirx.noalias": True})
        return relax.call_tir(self.builder_.add_func(func, name), arguments, concat.ty)


def _output(concat: relax.Call) -> tirx.Var:
    """The buffer that holds the concatenation."""
    return tirx.decl_buffer([int(extent) for extent in concat.ty.shape], "float32", "concat")


def _count_uses(func: relax.Function) -> dict[relax.Var, int]:
    uses: dict[relax.Var, int] = {}

    def count(expr) -> None:
        if isinstance(expr, relax.Var):
            uses[expr] = uses.get(expr, 0) + 1

    relax.analysis.post_order_visit(func, count)
    return uses
