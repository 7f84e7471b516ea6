"""The JSON of NNVM graphs, which MXNet symbols are saved in too."""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tuner.networks.nnvm.errors import Unusable

VARIABLE = "null"
"""The operator of nodes that stand for inputs and parameters."""

_EXAMPLE = "save it with graph.json() of NNVM or symbol.save() of MXNet"


@dataclass(frozen=True)
class Node:
    """One node of a graph.

    Attributes:
        op: its operator, "null" for a variable.
        attributes: texts by name, of `attrs`, `attr` and `param` together.
        inputs: (node, output of it), in order.
    """

    name: str
    op: str
    attributes: Mapping[str, str]
    inputs: tuple[tuple[int, int], ...]

    @property
    def is_variable(self) -> bool:
        """Whether it is an input or a parameter."""
        return self.op == VARIABLE


@dataclass(frozen=True)
class GraphFile:
    """Nodes as in the file, and which (node, output) the graph returns.

    Attributes:
        shapes: of the first output of each node, where the file says; of no node otherwise.
    """

    nodes: tuple[Node, ...]
    heads: tuple[tuple[int, int], ...]
    shapes: Mapping[int, tuple[int, ...]]

    def order(self, inputs: Mapping[int, Sequence[tuple[int, int]]]) -> list[int]:
        """Return what the heads need, each node behind its `inputs`, else as in the file.

        Raises:
            Unusable: nodes need each other.
        """
        needed: set[int] = set()
        waiting = [node for node, _ in self.heads]
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting += [source for source, _ in inputs[node]]
        sorter = TopologicalSorter({n: [source for source, _ in inputs[n]] for n in needed})
        try:
            sorter.prepare()
        except CycleError as error:
            names = " -> ".join(self.nodes[node].name for node in error.args[1])
            raise Unusable(f"its nodes need each other in a circle: {names}", _EXAMPLE) from None
        ready, order = list(sorter.get_ready()), []
        heapq.heapify(ready)
        while ready:
            order.append(heapq.heappop(ready))
            sorter.done(order[-1])
            for node in sorter.get_ready():
                heapq.heappush(ready, node)
        return order


def parse(text: str) -> GraphFile:
    """Return the graph in `text`. `node_row_ptr` and `arg_nodes` follow from the rest: unread.

    Raises:
        Unusable: it is not the JSON of a graph, or refers to nodes that it does not have.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise Unusable(f"it is not JSON: {reason}", _EXAMPLE) from None
    if not isinstance(content, dict) or not isinstance(content.get("nodes"), list):
        raise Unusable("it is JSON, but of no NNVM graph: no list of nodes", _EXAMPLE)
    count = len(content["nodes"])
    nodes = tuple(_node(number, node, count) for number, node in enumerate(content["nodes"]))
    heads = content.get("heads")
    if not isinstance(heads, list) or not heads:
        raise Unusable("its list of heads, the outputs, is missing or empty", _EXAMPLE)
    entries = tuple(_entry(head, count, "a head of the graph") for head in heads)
    return GraphFile(nodes, entries, _shapes(content, count))


def _node(number: int, node: Any, count: int) -> Node:
    if not isinstance(node, dict):
        raise Unusable(f"node {number} is not an object", _EXAMPLE)
    name, op = node.get("name"), node.get("op")
    if not isinstance(name, str) or not isinstance(op, str):
        raise Unusable(f"node {number} has no name or no op", _EXAMPLE)
    inputs = node.get("inputs", [])
    if not isinstance(inputs, list):
        raise Unusable(f"the inputs of node {name} are no list", _EXAMPLE)
    attributes: dict[str, str] = {}
    for key in ("param", "attr", "attrs"):  # MXNet's from old to new, NNVM's
        found = node.get(key) or {}
        if not isinstance(found, dict):
            raise Unusable(f"the attributes of node {name} are no object", _EXAMPLE)
        attributes.update((word, str(value)) for word, value in found.items())
    entries = tuple(_entry(entry, count, f"an input of node {name}") for entry in inputs)
    return Node(name, op, attributes, entries)


def _entry(entry: Any, count: int, what: str) -> tuple[int, int]:
    """Return (node, output of it); new graphs have a version behind them."""
    numbers = entry if isinstance(entry, list) else []
    if len(numbers) not in (2, 3) or any(type(n) is not int or n < 0 for n in numbers):
        raise Unusable(f"{what} is {json.dumps(entry)[:80]}, not [node, output]", _EXAMPLE)
    if numbers[0] >= count:
        raise Unusable(f"{what} is node {numbers[0]}, but there are {count} nodes", _EXAMPLE)
    return numbers[0], numbers[1]


def _shapes(content: dict[str, Any], count: int) -> dict[int, tuple[int, ...]]:
    """Return the shapes that NNVM's graphs carry after its pass InferShape, one an output."""
    try:
        kind, shapes = content["attrs"]["shape"]
        rows = content["node_row_ptr"][:count]
        if kind != "list_shape":
            return {}
        return {node: tuple(map(int, shapes[row])) for node, row in enumerate(rows)}
    except (KeyError, IndexError, TypeError, ValueError):
        return {}
