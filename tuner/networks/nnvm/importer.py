"""Graph and parameters -> Relax module, and the same network in float64."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager

import numpy as np
import tvm
from tvm import relax

from tuner.errors import UserError
from tuner.networks import shapes
from tuner.networks.nnvm.attributes import Attributes
from tuner.networks.nnvm.errors import Unusable, naming
from tuner.networks.nnvm.graph_json import GraphFile, Node
from tuner.networks.nnvm.layers import Conv
from tuner.networks.nnvm.program import Program, Step
from tuner.networks.nnvm.values import shape_of
from tuner.networks.simplify import simplify

# Elements: no board has memory for a larger tensor, nor this computer to fold it.
_LARGEST = 2**28
_ATTRIBUTES_OF_SHAPE = ("__shape__", "shape")


class Importer:
    """A graph whose operators, inputs and parameters have been checked.

    Attributes:
        input_name, input_shape: the one input.
        reference: the network in float64 numpy.

    Raises:
        UserError: something is missing, unknown or does not fit; it names the node.
    """

    def __init__(
        self,
        source: str,
        graph: GraphFile,
        parameters: Mapping[str, np.ndarray],
        given: shapes.Shape | None,
    ) -> None:
        self._source = source
        self._graph = graph
        self._given = parameters
        program = Program(source, graph)
        self._steps, self._output = program.steps, program.output
        if isinstance(given, Mapping):  # who trained it may name the labels too
            unused = {node.name for node in graph.nodes} - set(program.variables)
            given = {name: shape for name, shape in given.items() if name not in unused} or None
        number = self._find_input(program.variables, given)
        self.input_name = graph.nodes[number].name
        self.input_shape = shapes.resolve(source, self.input_name, self._declared(number), given)
        self._parameters = self._used_parameters()

    def module(self) -> tvm.IRModule:
        """Return the Relax module: weights are constants, convolutions bear their nodes' names."""
        builder = relax.BlockBuilder()
        data = relax.Var(
            _identifier(self.input_name), relax.TensorType(self.input_shape, "float32")
        )
        values: dict[str, relax.Expr] = {
            name: relax.const(array) for name, array in self._parameters.items()
        }
        values[self.input_name] = data
        failure = None
        with builder.function("main", [data]):
            with builder.dataflow():
                try:
                    self._emit_all(builder, values)
                except UserError as error:
                    # Ended here, the function would make TVM print a warning of its own.
                    failure, values[self._output] = error, data
                output = builder.emit_output(values[self._output])
            builder.emit_func_output(output)
        if failure is not None:
            raise failure
        convs = [s.node.name for s in self._steps if isinstance(s.operation.layer, Conv)]
        return simplify(builder.finalize(), [_identifier(name) for name in convs])

    def reference(self, data: np.ndarray) -> np.ndarray:
        """Run the network on `data` in float64."""
        values = {name: array.astype(np.float64) for name, array in self._parameters.items()}
        values[self.input_name] = data.astype(np.float64)
        for step in self._steps:
            inputs = [values[name] for name in step.inputs]
            values[step.node.name] = step.operation.layer.evaluate(*inputs)
        return values[self._output]

    def _emit_all(self, builder: relax.BlockBuilder, values: dict[str, relax.Expr]) -> None:
        for step in self._steps:
            with self._naming(step.node):
                values[step.node.name] = self._emit(builder, step, values)

    def _emit(
        self, builder: relax.BlockBuilder, step: Step, values: Mapping[str, relax.Expr]
    ) -> relax.Expr:
        inputs = [values[name] for name in step.inputs]
        result = step.operation.layer.emit(builder, _identifier(step.node.name), *inputs)
        shape = shape_of(result)
        if math.prod(shape) > _LARGEST or min(shape, default=1) < 1:
            raise Unusable(f"its result has shape {shape}", "check --shape and its attributes")
        return result

    def _find_input(self, names: Mapping[str, int], given: shapes.Shape | None) -> int:
        """Return the number of the variable that is no parameter; `names` are of all."""
        open_names = [name for name in names if name not in self._given]
        chosen = [name for name in given if name in names] if isinstance(given, Mapping) else []
        chosen = chosen or [name for name in open_names if name == "data"] or open_names
        if not chosen:
            raise UserError(
                f"{self._source} has no input: there is a parameter for each of its variables",
                "leave the input out of the parameters",
            )
        missing = [name for name in open_names if name != chosen[0]]
        if missing:
            users = {name: self._user_of(names[name]) for name in missing}
            listed = ", ".join(f"{name} (of {user})" for name, user in users.items())
            raise UserError(
                f"{self._source} needs parameters that are not there: {listed}",
                "give the parameters that were saved with this graph, and of its input the name: "
                "--shape NAME=1,3,224,224",
            )
        return names[chosen[0]]

    def _user_of(self, variable: int) -> str:
        return next(
            node.name for node in self._graph.nodes if any(n == variable for n, _ in node.inputs)
        )

    def _declared(self, number: int) -> tuple[int | None, ...] | None:
        """Return the shape of a variable, as far as the file says."""
        shape = self._graph.shapes.get(number)
        attributes = Attributes(self._graph.nodes[number].attributes)
        for name in _ATTRIBUTES_OF_SHAPE:
            if shape is None and attributes.has(name):
                with self._naming(self._graph.nodes[number]):
                    shape = attributes.integers(name)
        return tuple(extent if extent > 0 else None for extent in shape) if shape else None

    def _naming(self, node: Node) -> AbstractContextManager[None]:
        return naming(self._source, node.name, node.op)

    def _used_parameters(self) -> dict[str, np.ndarray]:
        used: dict[str, np.ndarray] = {}
        computed = {self.input_name, *(step.node.name for step in self._steps)}
        for step in self._steps:
            for name in step.inputs:
                if name in computed or name in used:
                    continue
                with self._naming(step.node):
                    used[name] = _require_parameter(name, self._given)
        return used


def _require_parameter(name: str, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
    if name not in parameters:
        raise Unusable(
            f"its parameter {name} is not there",
            "give the parameters that were saved with this graph",
        )
    array = parameters[name]
    if array.dtype != np.float32:
        raise Unusable(
            f"its parameter {name} is {array.dtype}; only float32 is supported",
            "convert the parameters to float32",
        )
    return array


def _identifier(name: str) -> str:
    """Return a node's name as one that Relax variables may have."""
    return re.sub(r"\W+", "_", name)
