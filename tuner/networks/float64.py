"""A Relax module computed in float64 on this computer, for networks without another reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tvm
from tvm import relax

import schedules
from tuner.errors import UserError, last_line

_HOST = {"kind": "llvm"}


def evaluator(module: tvm.IRModule, source: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return what computes main of `module` in float64, as TVM builds it without our schedules.

    It is compiled at its first use.

    Raises:
        UserError: (when used) an operator does not exist in float64.
    """

    def evaluate(data: np.ndarray) -> np.ndarray:
        try:
            with schedules.unregistered():
                built = relax.build(_widened(module), tvm.target.Target(_HOST))
            machine = relax.VirtualMachine(built, tvm.cpu())
            return machine["main"](tvm.runtime.tensor(data.astype(np.float64))).numpy()
        except Exception as error:  # of many types, TVM's and Python's
            raise UserError(
                f"TVM cannot compute {source} in float64: {last_line(error)}",
                "export it with other operators",
            ) from error

    return evaluate


def _widened(module: tvm.IRModule) -> tvm.IRModule:
    """Return a copy of main in which everything that was float32 is float64."""
    main = module["main"]
    builder = relax.BlockBuilder()
    values: dict[relax.Var, relax.Expr] = {
        variable: relax.Var(variable.name, relax.TensorType(variable.ty.shape, "float64"))
        for variable in main.params
    }
    with builder.function("main", list(values.values())):
        with builder.dataflow():
            for block in main.body.blocks:
                for binding in block.bindings:
                    values[binding.var] = builder.emit(_widen(binding.value, values))
            output = builder.emit_output(_widen(main.body.body, values))
        builder.emit_func_output(output)
    return builder.finalize()


def _widen(value: relax.Expr, values: Mapping[relax.Var, relax.Expr]) -> relax.Expr:
    """Rebuild an expression, its variables being `values`, so that its type is found anew."""
    if isinstance(value, relax.Var):
        return values[value]
    if isinstance(value, tvm.ir.GenericConst):
        array = value.value.numpy()
        return relax.const(array, "float64") if array.dtype == np.float32 else value
    if isinstance(value, relax.Tuple):
        return relax.Tuple([_widen(field, values) for field in value.fields])
    if isinstance(value, relax.TupleGetItem):
        return relax.TupleGetItem(_widen(value.tuple_value, values), value.index)
    if isinstance(value, relax.Call):
        return relax.Call(value.op, [_widen(arg, values) for arg in value.args], value.attrs)
    return value
