"""A network from a TFLite file: imported by TVM, turned from NHWC into NCHW."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.relax import op, transform
from tvm.relax.dpl import is_const, is_op, rewrite_call, wildcard

from tuner.errors import UserError, last_line
from tuner.networks import shapes
from tuner.networks.float64 import evaluator
from tuner.networks.network import Network
from tuner.networks.shapes import Shape
from tuner.networks.simplify import simplify

_SEED = 0
_IDENTIFIER = b"TFL3"  # at byte 4, as in every flatbuffer


def read(path: Path, shape: Shape | None = None) -> Network:
    """Import the network in the file `path`. Its input stays NHWC, and is transposed once.

    Args:
        shape: of its input, which the file fixes: given, it has to be that one.

    Raises:
        UserError: there is no such file, it is not TFLite, or not a network of one float32 input
            and output whose operators TVM imports.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the network {path}: {error.strerror or error}", "name another file"
        ) from error
    if data[4:8] != _IDENTIFIER:
        raise UserError(f"{path} is not a TFLite file", "name a .tflite file")
    try:
        import tflite
    except ImportError:
        raise UserError(
            f"reading {path} needs the package tflite", "pip install 'tvm-arm-schedules[tflite]'"
        ) from None
    module, names = _guarded(path, lambda: _import(path, tflite.Model.GetRootAsModel(data, 0)))
    variable = module["main"].params[0]
    declared = [int(extent) for extent in variable.ty.shape]
    input_shape = shapes.resolve(str(path), variable.name, declared, shape)
    reference = evaluator(module, str(path))
    extents = "x".join(map(str, input_shape))
    return Network(
        name=path.stem,
        title=f"{path.name}, {extents}",
        module=_guarded(path, lambda: simplify(_in_nchw(module), names)),
        input_name=variable.name,
        input_shape=input_shape,
        seed=_SEED,
        reference=reference,
    )


def _guarded(path: Path, step: Callable[[], Any]) -> Any:
    try:
        return step()
    except UserError:
        raise
    except Exception as error:  # of many types, TVM's and Python's, on corrupt files too
        raise UserError(
            f"TVM cannot import {path}: {last_line(error)}", "convert it anew, in float32"
        ) from error


def _import(path: Path, model: Any) -> tuple[tvm.IRModule, list[str]]:
    """Return the module in NHWC, and a name for each of its convolutions."""
    from tvm.relax.frontend.tflite import from_tflite

    graph = model.Subgraphs(0)
    if (graph.InputsLength(), graph.OutputsLength()) != (1, 1):
        raise UserError(
            f"{path} has {graph.InputsLength()} inputs and {graph.OutputsLength()} outputs",
            "only networks of one input and one output can be tuned",
        )
    for number in (graph.Inputs(0), graph.Outputs(0)):
        if graph.Tensors(number).Type() != 0:  # TensorType.FLOAT32
            raise UserError(
                f"the input or output of {path} is not float32", "convert it without quantization"
            )
    module = from_tflite(model)
    main = module["main"].without_attr("params").without_attr("num_input")
    module[module.get_global_var("main")] = main
    return module, _conv_names(model, graph)


def _conv_names(model: Any, graph: Any) -> list[str]:
    """Return the names of what the convolutions compute, without those that were fused in."""
    from tflite import BuiltinOperator

    convs = (BuiltinOperator.CONV_2D, BuiltinOperator.DEPTHWISE_CONV_2D)
    names = []
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        if model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode() in convs:
            name = graph.Tensors(operator.Outputs(0)).Name().decode(errors="replace")
            names.append(re.sub(r"\W+", "_", name.partition(";")[0]))
    return names


def _in_nchw(module: tvm.IRModule) -> tvm.IRModule:
    module = tvm.IRModule({"main": _Layoutable().visit_expr(module["main"])})
    module = tvm.transform.Sequential(
        [
            transform.Normalize(),
            transform.ConvertLayout({"relax.nn.conv2d": ["NCHW", "OIHW"]}),
            transform.FoldConstant(),
        ]
    )(module)
    return tvm.IRModule({"main": rewrite_call(_BOUNDED, _to_clip, module["main"])})


@relax.expr_functor.mutator
class _Layoutable(relax.PyExprMutator):
    """Writes operators in ways of which TVM knows how they are in another layout.

    Without, it transposes in front of them and back behind: constants that broadcast need all
    dimensions, and `clip` is a minimum of a maximum.
    """

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        """Called for each call."""
        call = self.visit_expr_post_order(call)
        name = call.op.name if isinstance(call.op, tvm.ir.Op) else ""
        rank = len(call.ty.shape) if isinstance(call.ty, relax.TensorType) else 0
        if name == "relax.clip":
            low, high = (_bound(argument.value, rank) for argument in call.args[1:])
            return op.minimum(op.maximum(call.args[0], low), high)
        if name not in _BROADCASTING:
            return call
        arguments = [_with_rank(argument, rank) for argument in call.args]
        return relax.Call(call.op, arguments, call.attrs)


_BROADCASTING = ("relax.add", "relax.subtract", "relax.multiply", "relax.divide")
_DATA, _LOW, _HIGH = wildcard(), is_const(), is_const()
_BOUNDED = is_op("relax.minimum")(is_op("relax.maximum")(_DATA, _LOW), _HIGH)


def _with_rank(value: relax.Expr, rank: int) -> relax.Expr:
    if not isinstance(value, tvm.ir.GenericConst):
        return value
    array: np.ndarray = value.value.numpy()
    return relax.const(array.reshape((1,) * (rank - array.ndim) + array.shape))


def _bound(value: float, rank: int) -> relax.Expr:
    return relax.const(np.full((1,) * rank, value, np.float32))


def _to_clip(bounded: relax.Expr, matches: dict) -> relax.Expr:
    """Undo what `_Layoutable` did to a `clip`."""
    low, high = (matches[bound].value.numpy() for bound in (_LOW, _HIGH))
    if low.size != 1 or high.size != 1:
        return bounded
    bounds = (relax.prim_value(float(bound.item())) for bound in (low, high))
    return op.clip(matches[_DATA], *bounds)
