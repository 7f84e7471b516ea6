"""Names of the variables of an imported module."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import relax

_CONV = "relax.nn.conv2d"


def name_convolutions(main: relax.Function, names: Sequence[str]) -> relax.Function:
    """Give the results of convolutions their names, in order; the passes lose those there were.

    Tasks call them by these.
    """
    convs = [binding.var for binding in _bindings(main) if _is_conv(binding)]
    if len(convs) != len(names):  # some were folded away: nobody knows which
        return main
    return _Rename(dict(zip(convs, names, strict=True))).visit_expr(main)


def number_others(main: relax.Function) -> relax.Function:
    """Give all other variables numbers for names.

    Names get into the kernels, for their errors, and their length moves what lies behind them in
    memory: a board takes some cycles more or less.
    """
    others = [binding.var for binding in _bindings(main) if not _is_conv(binding)]
    names = {variable: f"lv{number}" for number, variable in enumerate(others)}
    return _Rename(names).visit_expr(main)


def _bindings(main: relax.Function) -> list[relax.Binding]:
    return [binding for block in main.body.blocks for binding in block.bindings]


def _is_conv(binding: relax.Binding) -> bool:
    value = binding.value
    is_operator = isinstance(value, relax.Call) and isinstance(value.op, tvm.ir.Op)
    return is_operator and value.op.name == _CONV


@relax.expr_functor.mutator
class _Rename(relax.PyExprMutator):
    """Replaces variables by ones of other names."""

    def __init__(self, names: dict[relax.Var, str]) -> None:
        super().__init__()
        self._names = names

    def visit_dataflow_var_def_(self, variable: relax.DataflowVar) -> relax.Var:
        """Called for each variable where it is bound."""
        name = self._names.get(variable)
        if name is None:
            return super().visit_dataflow_var_def_(variable)
        renamed = relax.DataflowVar(name, variable.ty)
        self.set_var_remap(variable, renamed)
        return renamed
