"""A graph as steps in order: operators known, attributes read, every input accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.errors import UserError
from tuner.networks.nnvm import common_names, mxnet_names, nnvm_names, operators
from tuner.networks.nnvm.attributes import Attributes
from tuner.networks.nnvm.errors import Unusable, naming
from tuner.networks.nnvm.graph_json import GraphFile, Node
from tuner.networks.nnvm.operators import Operation

# Importing them registers the operators.
DIALECTS = (common_names, nnvm_names, mxnet_names)

_COMPILED = "tvm_op"


@dataclass(frozen=True)
class Step:
    """One node to compute, from the values called `inputs`."""

    node: Node
    operation: Operation
    inputs: tuple[str, ...]


class Program:
    """What the one output of `graph`, which is from `source`, needs.

    Attributes:
        steps: nodes to compute, in order.
        variables: number in the graph of each other node that they need, by name.
        output: name of the node whose result counts.

    Raises:
        UserError: operators are unknown, or a node cannot be computed; all or it are named.
    """

    def __init__(self, source: str, graph: GraphFile) -> None:
        self._source = source
        self._graph = graph
        operations = self._operations()
        sources = self._sources(operations)
        order = self._order(sources)
        self._require_different_names(order)
        nodes = graph.nodes
        self.steps = tuple(
            Step(nodes[number], operations[number], self._names(number, sources, operations))
            for number in order
            if not nodes[number].is_variable
        )
        self.variables = {nodes[n].name: n for n in order if nodes[n].is_variable}
        self.output = nodes[graph.heads[0][0]].name

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
            with naming(self._source, node.name, node.op):
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
            with naming(self._source, node.name, node.op):
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
                with naming(self._source, node.name, node.op):
                    raise Unusable(f"its output {output} is read; only output 0 is computed")
        if self._graph.nodes[self._graph.heads[0][0]].is_variable:
            raise UserError(f"{self._source} computes nothing", "give another graph")
        return order

    def _require_different_names(self, order: Sequence[int]) -> None:
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
