"""A network from an ONNX file: imported by TVM, with its float64 reference computed by onnx."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relax

from tuner.errors import UserError, last_line
from tuner.networks import shapes
from tuner.networks.network import Network
from tuner.networks.shapes import Shape
from tuner.networks.simplify import simplify

_SEED = 0


def read(path: Path, shape: Shape | None = None) -> Network:
    """Import the network in the file `path`.

    Batch normalization is folded into the convolutions before it, as in the built-in networks.

    Args:
        shape: of its input, where the file leaves extents open, with its name or without; None:
            as the file says.

    Raises:
        UserError: there is no such file, it is not ONNX, or not a network of one float32 input and
            output whose shapes are known and whose operators TVM imports.
    """
    model = _load(path)
    name, input_shape = _input(path, model, shape)
    module = _import(path, model, name, input_shape)
    extents = "x".join(map(str, input_shape))
    return Network(
        name=path.stem,
        title=f"{path.name}, {extents}",
        module=module,
        input_name=module["main"].params[0].name,
        input_shape=input_shape,
        seed=_SEED,
        reference=_reference(path, model, name),
    )


def _load(path: Path) -> Any:
    """Return the checked `onnx.ModelProto` in a file."""
    try:
        import onnx
    except ImportError:
        raise UserError(
            f"reading {path} needs the package onnx", "pip install 'tvm-arm-schedules[onnx]'"
        ) from None
    try:
        model = onnx.load(path)
    except OSError as error:
        raise UserError(
            f"cannot read the network {path}: {error.strerror or error}", "name another file"
        ) from error
    except Exception:  # protobuf's, which change from version to version
        raise _not_onnx(path) from None
    if not model.graph.node:
        raise _not_onnx(path)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise UserError(
            f"{path} is not a valid ONNX model: {last_line(error)}", "export it anew"
        ) from error
    return model


def _not_onnx(path: Path) -> UserError:
    return UserError(
        f"{path} is not an ONNX file",
        "name a built-in network, an .onnx or .tflite file, or NNVM's graph.json",
    )


def _input(path: Path, model: Any, shape: Shape | None) -> tuple[str, tuple[int, ...]]:
    """Return name and shape of the one input, its open extents taken from `shape`."""
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise UserError(
            f"{path} has {len(inputs)} inputs and {len(model.graph.output)} outputs",
            "only networks of one input and one output can be tuned",
        )
    kind = inputs[0].type.tensor_type
    if kind.elem_type != 1:  # TensorProto.FLOAT
        raise UserError(f"the input of {path} is not float32", "export the network in float32")
    declared = [extent.dim_value or None for extent in kind.shape.dim]
    return inputs[0].name, shapes.resolve(str(path), inputs[0].name, declared, shape)


def _import(path: Path, model: Any, name: str, shape: tuple[int, ...]) -> tvm.IRModule:
    # It imports onnx, which only this function needs.
    from tvm.relax.frontend.onnx import from_onnx

    try:
        module = from_onnx(model, shape_dict={name: list(shape)})
        module = simplify(module, _conv_names(model))
    except Exception as error:  # of many types, TVM's and Python's
        raise UserError(
            f"TVM cannot import {path}: {last_line(error)}",
            "export it with other operators or in another opset",
        ) from error
    main = module["main"]
    output = main.ret_ty
    if not isinstance(output, relax.TensorType) or output.dtype != "float32":
        raise UserError(f"the output of {path} is not one float32 tensor", "export it so")
    return module


def _conv_names(model: Any) -> list[str]:
    """Return a name for each convolution, in order: that of its node without its path's ends."""
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    names = [(node.name or node.output[0]).removesuffix("/Conv") for node in nodes]
    return [re.sub(r"\W+", "_", name.strip("/")) for name in names]


def _reference(path: Path, model: Any, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the network in float64 numpy, as onnx defines its operators."""

    def evaluate(data: np.ndarray) -> np.ndarray:
        from onnx.reference import ReferenceEvaluator

        try:
            evaluator = ReferenceEvaluator(_in_float64(model))
            (output,) = evaluator.run(None, {name: data.astype(np.float64)})
        except Exception as error:  # an operator of which onnx has no numpy version
            raise UserError(
                f"onnx cannot compute {path} in float64: {last_line(error)}",
                "export it with other operators or in another opset",
            ) from error
        return np.asarray(output)

    return evaluate


def _in_float64(model: Any) -> Any:
    """Return a copy of the model in which everything that was float32 is float64."""
    import onnx
    from onnx import TensorProto, numpy_helper

    single = TensorProto.FLOAT

    def widen(tensor: Any) -> None:
        if tensor.data_type == single:
            wide = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        widen(tensor)
    for node in copy.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                widen(attribute.t)
            elif (node.op_type, attribute.name) == ("Cast", "to") and attribute.i == single:
                attribute.i = TensorProto.DOUBLE
    for value in (*copy.graph.input, *copy.graph.output):
        if value.type.tensor_type.elem_type == single:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    del copy.graph.value_info[:]
    return copy
