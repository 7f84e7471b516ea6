"""Graph and parameters -> Relax module, and the same network in float64."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax

from tuner.errors import UserError, last_line
from tuner.networks import shapes
from tuner.networks.nnvm import common_names, mxnet_names, nnvm_names, operators
from tuner.networks.nnvm.attributes import Attributes
from tuner.networks.nnvm.errors import Unusable
from tuner.networks.nnvm.graph_json import GraphFile, Node
from tuner.networks.nnvm.layers import Conv
from tuner.networks.nnvm.operators import Operation
from tuner.networks.nnvm.values import shape_of
from tuner.networks.simplify import simplify

# Importing them registers the operators.
DIALECTS = (common_names, nnvm_names, mxnet_names)

# Elements: no board has memory for a larger tensor, nor this computer to fold it.
_LARGEST = 2**28
_ATTRIBUTES_OF_SHAPE = ("__shape__", "shape")
_COMPILED = "tvm_op"


@dataclass(frozen=True)
class _Step:
    """One node to compute, from the values called `inputs`."""

    node: Node
    operation: Operation
    inputs: tuple[str, ...]


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
        operations = self._operations()
        sources = self._sources(operations)
        order = self._order(sources)
        self._require_known_names(order)
        self._steps = [
            _Step(graph.nodes[number], operations[number], self._names(number, sources, operations))
            for number in order
            if not graph.nodes[number].is_variable
        ]
        self._output = graph.nodes[graph.heads[0][0]].name
        variables = [number for number in order if graph.nodes[number].is_variable]
        if isinstance(given, Mapping):  # who trained it may name the labels too
            unused = {node.name for node in graph.nodes} - {graph.nodes[n].name for n in variables}
            given = {name: shape for name, shape in given.items() if name not in unused}
        number = self._find_input(variables, given)
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
            with self._named_errors(step.node):
                values[step.node.name] = self._emit(builder, step, values)

    def _emit(
        self, builder: relax.BlockBuilder, step: _Step, values: Mapping[str, relax.Expr]
    ) -> relax.Expr:
        inputs = [values[name] for name in step.inputs]
        result = step.operation.layer.emit(builder, _identifier(step.node.name), *inputs)
        shape = shape_of(result)
        if math.prod(shape) > _LARGEST or min(shape, default=1) < 1:
            raise Unusable(f"its result has shape {shape}", "check --shape and its attributes")
        return result

    def _operations(self) -> dict[int, Operation]:
        """Return what each node that is no variable computes.

        The heads need not need them all, but what is unknown is better told at once.
        """
        nodes = [(n, node) for n, node in enumerate(self._graph.nodes) if not node.is_variable]
        unknown: dict[str, list[str]] = {}
        for _, node in nodes:
            if operators.find(node.op) is None:
                unknown.setdefault(node.op, []).append(node.name)
        if _COMPILED in unknown:
            raise UserError(
                f"{self._source} is a graph that NNVM or TVM has compiled already",
                "give the graph from before the build, with its parameters from then",
            )
        if unknown:
            named = "; ".join(f"{op} ({', '.join(names)})" for op, names in unknown.items())
            raise UserError(
                f"{self._source} has operators that cannot be imported: {named}",
                "docs/import.md has those that can",
            )
        operations = {}
        for number, node in nodes:
            convert = operators.find(node.op)
            assert convert is not None
            with self._named_errors(node):
                operations[number] = convert(Attributes(node.attributes))
        return operations

    def _sources(self, operations: Mapping[int, Operation]) -> dict[int, Sequence[tuple[int, int]]]:
        """Return the inputs of each node without those that only training needs."""
        sources: dict[int, Sequence[tuple[int, int]]] = {}
        for number, node in enumerate(self._graph.nodes):
            operation = operations.get(number)
            if operation is None:
                sources[number] = ()
                continue
            with self._named_errors(node):
                _require_count(node, operation)
            count = None if operation.inputs is None else len(operation.inputs)
            sources[number] = node.inputs[:count]
        return sources

    def _order(self, sources: Mapping[int, Sequence[tuple[int, int]]]) -> list[int]:
        try:
            order = self._graph.order(sources)
            if len(self._graph.heads) != 1:
                raise Unusable(
                    f"it has {len(self._graph.heads)} outputs",
                    "only networks of one output can be tuned",
                )
        except Unusable as error:
            raise UserError(f"{self._source}: {error.message}", error.fix) from None
        for number, output in (*self._graph.heads, *(e for n in order for e in sources[n])):
            node = self._graph.nodes[number]
            if output != 0:
                with self._named_errors(node):
                    raise Unusable(f"its output {output} is read; only output 0 is computed")
        if self._graph.nodes[self._graph.heads[0][0]].is_variable:
            raise UserError(f"{self._source} computes nothing", "give another graph")
        return order

    def _require_known_names(self, order: Sequence[int]) -> None:
        seen: set[str] = set()
        for number in order:
            name = self._graph.nodes[number].name
            if name in seen:
                raise UserError(f"{self._source} has two nodes called {name}", "rename one")
            seen.add(name)

    def _names(
        self,
        number: int,
        sources: Mapping[int, Sequence[tuple[int, int]]],
        operations: Mapping[int, Operation],
    ) -> tuple[str, ...]:
        names = [self._graph.nodes[source].name for source, _ in sources[number]]
        inputs = operations[number].inputs
        if inputs is not None:
            node = self._graph.nodes[number]
            names += [f"{node.name}_{name}" for name in inputs[len(names) :]]
        return tuple(names)

    def _find_input(self, variables: Sequence[int], given: shapes.Shape | None) -> int:
        """Return the variable that is no parameter."""
        names = {self._graph.nodes[number].name: number for number in variables}
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
                with self._named_errors(self._graph.nodes[number]):
                    shape = attributes.integers(name)
        return tuple(extent if extent > 0 else None for extent in shape) if shape else None

    def _used_parameters(self) -> dict[str, np.ndarray]:
        used: dict[str, np.ndarray] = {}
        computed = {self.input_name, *(step.node.name for step in self._steps)}
        for step in self._steps:
            for name in step.inputs:
                if name in computed or name in used:
                    continue
                with self._named_errors(step.node):
                    used[name] = _require_parameter(name, self._given)
        return used

    @contextmanager
    def _named_errors(self, node: Node) -> Iterator[None]:
        """Turn what goes wrong with a node into a `UserError` that names it."""
        where = f"{self._source}: node {node.name} ({node.op})"
        fix = "check that node where the graph comes from"
        try:
            yield
        except Unusable as error:
            raise UserError(f"{where}: {error.message}", error.fix or fix) from None
        except Exception as error:  # of many types, TVM's and Python's
            raise UserError(f"{where}: TVM refuses it: {last_line(error)}", fix) from error


def _require_count(node: Node, operation: Operation) -> None:
    given, names = len(node.inputs), operation.inputs
    if names is None:
        if given == 0:
            raise Unusable("it has no inputs")
        return
    fewest, most = len(names) - operation.by_name, len(names) + len(operation.ignored)
    # Either all that may be found by name are there, or none.
    if given not in (fewest, *range(len(names), most + 1)):
        raise Unusable(f"it has {given} inputs, not {len(names)}: {', '.join(names)}")


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
