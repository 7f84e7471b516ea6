"""What every imported module goes through, so that the same network is the same module."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import relax
from tvm.relax import op, transform

from tuner.networks.batch_norm import fold_batch_norm
from tuner.networks.variable_names import name_convolutions, number_others

_MEAN = tvm.ir.Op.get("relax.mean")


def simplify(module: tvm.IRModule, conv_names: Sequence[str]) -> tvm.IRModule:
    """Fold batch normalization into the convolutions before it, and constants; drop dead code.

    As in the built-in networks, convolutions have a bias then, and the mean of whole maps is the
    operator `adaptive_avg_pool2d`. Importers differ in the order of what does not depend on each
    other; here it is that of the inputs of what follows.

    Args:
        conv_names: of main's convolutions in their order, by which tasks call them.
    """
    main_name = module.get_global_var("main")
    # An importer may write a bias as a constant that it reshapes.
    module = transform.FoldConstant()(module)
    module[main_name] = fold_batch_norm(module["main"])
    module = tvm.transform.Sequential(
        [
            transform.DecomposeOpsForInference(),
            transform.FoldConstant(),
            transform.CanonicalizeBindings(),
            transform.DeadCodeElimination(),
        ]
    )(module)
    main = _GlobalPools().visit_expr(module["main"]).without_attr("num_input")  # ONNX's
    module[main_name] = name_convolutions(main, conv_names)
    module = transform.TopologicalSort(order="depth-first", direction="from-outputs")(module)
    module[module.get_global_var("main")] = number_others(module["main"])
    return module


@relax.expr_functor.mutator
class _GlobalPools(relax.PyExprMutator):
    """Replaces the mean of whole maps by the pooling that computes it."""

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        """Called for each call."""
        call = self.visit_expr_post_order(call)
        if call.op != _MEAN or len(call.args[0].ty.shape) != 4:
            return call
        axes = [int(axis) for axis in call.attrs.axis or ()]
        if axes != [2, 3] or not call.attrs.keepdims:
            return call
        return op.nn.adaptive_avg_pool2d(call.args[0], (1, 1))
