"""Names for the convolutions of an imported module, by which tasks call them."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import relax

_CONV = "relax.nn.conv2d"


def name_convolutions(main: relax.Function, names: Sequence[str]) -> relax.Function:
    """Give the results of convolutions their names, in order; the passes lose those there were."""
    bindings = [binding for block in main.body.blocks for binding in block.bindings]
    convs = [
        binding.var
        for binding in bindings
        if isinstance(binding.value, relax.Call)
        and isinstance(binding.value.op, tvm.ir.Op)
        and binding.value.op.name == _CONV
    ]
    if len(convs) != len(names):  # some were folded away: nobody knows which
        return main
    return _Rename(dict(zip(convs, names, strict=True))).visit_expr(main)


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
