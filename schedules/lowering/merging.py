"""What passes have in common that make one function of several calls, after Relax's fusion."""

from __future__ import annotations

import tvm
from tvm import relax, tirx
from tvm.ir import Op
from tvm.relax.expr_functor import PyExprMutator

from ..hardware import Core


class CallMerger(PyExprMutator):
    """Rewrites the calls of one function of a module.

    Subclasses are decorated with `tvm.relax.expr_functor.mutator` and override `visit_call_`.
    """

    def __init__(self, mod: tvm.IRModule, func: relax.Function, core: Core) -> None:
        super().__init__(mod)
        self._mod = mod
        self._core = core
        self._uses = _count_uses(func)

    def run(self, name: tvm.ir.GlobalVar, func: relax.Function) -> tvm.IRModule:
        self.builder_.update_func(name, self.visit_expr(func))
        return self.builder_.get()

    def _producer(self, var, users: int = 1) -> tuple[tirx.PrimFunc, list] | None:
        """(function, arguments) of the call behind `var`, if nothing else needs its result."""
        if not isinstance(var, relax.Var) or self._uses.get(var, 0) != users:
            return None
        producer = self.lookup_binding(var)
        return self._called(producer) if isinstance(producer, relax.Call) else None

    def _called(self, call: relax.Call) -> tuple[tirx.PrimFunc, list] | None:
        """(function, arguments) of a call of one of the module's own functions."""
        if call.op != Op.get("relax.call_tir"):
            return None
        if call.args[0] not in self._mod.functions:  # merged just before
            return None
        return self._mod[call.args[0]], list(call.args[1])

    def _call(
        self, func: tirx.PrimFunc, arguments: list, name: str, replaced: relax.Call
    ) -> relax.Call:
        """Adds `func` to the module; its call takes the place of `replaced`."""
        func = func.with_attrs({"tirx.is_scheduled": True, "tirx.noalias": True})
        return relax.call_tir(self.builder_.add_func(func, name), arguments, replaced.ty)


def merging_pass(name: str, merger: type[CallMerger], core: Core) -> tvm.transform.Pass:
    """Applies `merger` to a module's Relax functions and removes what is not called any more."""

    @tvm.transform.module_pass(opt_level=0, name=name)
    def run(mod: tvm.IRModule, _context) -> tvm.IRModule:
        for each, func in mod.functions_items():
            if isinstance(func, relax.Function):
                mod = merger(mod, func, core).run(each, func)
        return relax.transform.DeadCodeElimination()(mod)

    return run


def output_buffer(call: relax.Call, name: str) -> tirx.Var:
    """A buffer for the result of `call`."""
    return tirx.decl_buffer([int(extent) for extent in call.ty.shape], "float32", name)


def _count_uses(func: relax.Function) -> dict[relax.Var, int]:
    uses: dict[relax.Var, int] = {}

    def count(expr) -> None:
        if isinstance(expr, relax.Var):
            uses[expr] = uses.get(expr, 0) + 1

    relax.analysis.post_order_visit(func, count)
    return uses
