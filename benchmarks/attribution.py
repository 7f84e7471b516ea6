"""Which layers of a network each kernel call of a build computes.

A build renames, fuses and reorders. What survives are the constants: a call that reads the weights
or the bias of a layer computes that layer. A call without constants, such as a pooling, is known by
what its input was computed from.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import tvm
from tvm import relax
from tvm.ir import GenericConst

from schedules import Conv2dWorkload
from schedules.lowering.legalize import workload_of

# What is counted as a part of the layer that it follows.
_FOLLOWERS = {
    *("relax.add", "relax.subtract", "relax.multiply", "relax.divide", "relax.nn.relu"),
    *("relax.clip", "relax.nn.bias_add", "relax.nn.batch_norm", "relax.nn.dropout"),
    *("relax.reshape", "relax.permute_dims", "relax.expand_dims", "relax.squeeze", "relax.flatten"),
}


@dataclass(frozen=True)
class Layer:
    """A layer of the network as it was written down.

    Attributes:
        name: its variable in the Relax module.
        operator: e.g. "nn.conv2d".
        macs: multiply-accumulates of the plain algorithm; 0 for what has none.
        workload: of a convolution, else None.
        inputs: layers whose results it reads, through layers without weights too.
        follows: the layer whose result it reads first, None for the first one.
    """

    name: str
    operator: str
    macs: int
    workload: Conv2dWorkload | None
    inputs: frozenset[str]
    follows: str | None


@dataclass(frozen=True)
class Layers:
    """All layers in order, and the layer that each constant belongs to, by its digest."""

    by_name: dict[str, Layer]
    owners: dict[str, str]

    @property
    def without_weights(self) -> list[Layer]:
        weighted = set(self.owners.values())
        return [layer for layer in self.by_name.values() if layer.name not in weighted]


def layers_of(module: tvm.IRModule) -> Layers:
    """Return the layers of `module`'s main: static shapes, weights and biases as constants."""
    layers: dict[str, Layer] = {}
    owners: dict[str, str] = {}
    owner: dict[relax.Var, str] = {}  # variable -> the layer it belongs to
    origins: dict[relax.Var, frozenset[str]] = {}
    carried: dict[relax.Var, list[str]] = {}  # constants that were only rearranged so far
    for binding in _bindings(module):
        variables, constants = _operands(binding.value)
        digests = [_digest(constant) for constant in constants]
        digests += [digest for variable in variables for digest in carried.get(variable, ())]
        if all(variable in carried for variable in variables):
            carried[binding.var] = digests
            continue
        known = [variable for variable in variables if variable in origins]
        inputs = frozenset[str]().union(*(origins[variable] for variable in known))
        follows = next((owner[variable] for variable in known if variable in owner), None)
        operator = _operator(binding.value)
        if operator in _FOLLOWERS and follows is not None:
            owner[binding.var] = follows
            origins[binding.var] = origins[known[0]]
        elif isinstance(binding.value, relax.Call):
            name = binding.var.name
            layers[name] = _layer(name, operator, binding.value, inputs, follows)
            owner[binding.var] = name
            origins[binding.var] = frozenset({name}) if digests else inputs
        elif follows is not None:  # another name for a result, or a tuple of results
            owner[binding.var], origins[binding.var] = follows, inputs
        owners.update((digest, owner[binding.var]) for digest in digests)
    return Layers(layers, owners)


def attribute(lowered: tvm.IRModule, layers: Layers) -> list[tuple[str, tuple[str, ...]]]:
    """Return (kernel, layers it computes or belongs to) of each kernel call of `lowered`'s main.

    A kernel that belongs to no layer stands under its own name.

    Args:
        lowered: what a Relax pipeline made of the module of `layers`: every kernel is called with
            its output as the last argument.
    """
    order = {name: place for place, name in enumerate(layers.by_name)}
    waiting = layers.without_weights
    inputs_of_network = lowered["main"].params
    rows: dict[relax.Var, tuple[str, ...]] = dict.fromkeys(inputs_of_network, ())
    origins: dict[relax.Var, frozenset[str]] = dict.fromkeys(inputs_of_network, frozenset())
    carried: dict[relax.Var, set[str]] = {}  # constants that were only rearranged so far
    calls = []
    for binding in _bindings(lowered):
        variables, constants = _operands(binding.value)
        is_kernel = isinstance(binding.value, relax.Call) and isinstance(
            binding.value.op, tvm.ir.GlobalVar
        )
        output = variables.pop() if is_kernel else binding.var
        digests = {_digest(constant) for constant in constants} & layers.owners.keys()
        digests = digests.union(*(carried.get(variable, ()) for variable in variables))
        known = [variable for variable in variables if variable in origins]
        found = tuple(sorted({layers.owners[key] for key in digests}, key=order.__getitem__))
        if not known:
            carried[output] = digests
        if found:
            origins[output] = frozenset(found)
        elif known:
            inputs = frozenset[str]().union(*(origins[variable] for variable in known))
            found, origins[output] = rows[known[0]], origins[known[0]]
            if is_kernel and (layer := _take(waiting, binding.value.op.name_hint, inputs)):
                found, origins[output] = (layer.name,), inputs
        if is_kernel:
            kernel = binding.value.op.name_hint
            found = found or (kernel,)
            calls.append((kernel, found))
        rows[output] = found
    return calls


def _take(waiting: list[Layer], kernel: str, inputs: frozenset[str]) -> Layer | None:
    """Remove and return the layer without weights that `kernel` computes from `inputs`."""
    for layer in waiting:
        # A kernel in front may have computed more than the layers that this one reads.
        reads = layer.inputs == inputs or (layer.inputs and layer.inputs <= inputs)
        if reads and layer.operator.rpartition(".")[2] in kernel:
            waiting.remove(layer)
            return layer
    return None


def _layer(
    name: str, operator: str, call: relax.Call, inputs: frozenset[str], follows: str | None
) -> Layer:
    workload, macs = None, 0
    if operator == "relax.nn.conv2d":
        workload = workload_of(call)
        macs = workload.macs if workload is not None else 0
    if operator == "relax.matmul":
        macs = math.prod(int(extent) for extent in call.ty.shape) * int(call.args[0].ty.shape[-1])
    return Layer(name, operator.removeprefix("relax."), macs, workload, inputs, follows)


def _bindings(module: tvm.IRModule) -> Iterable[relax.Binding]:
    return [binding for block in module["main"].body.blocks for binding in block.bindings]


def _operator(value: relax.Expr) -> str:
    is_operator = isinstance(value, relax.Call) and isinstance(value.op, tvm.ir.Op)
    return value.op.name if is_operator else ""


def _operands(value: relax.Expr) -> tuple[list[relax.Var], list[GenericConst]]:
    """Return the variables and the constant tensors that `value` reads, in order."""
    variables: list[relax.Var] = []
    constants: list[GenericConst] = []

    def add(expressions: Sequence[relax.Expr]) -> None:
        for expression in expressions:
            if isinstance(expression, relax.Var):
                variables.append(expression)
            elif _is_tensor(expression):
                constants.append(expression)
            elif isinstance(expression, relax.Tuple):
                add(expression.fields)

    add(value.args if isinstance(value, relax.Call) else [value])
    return variables, constants


def _is_tensor(expression: relax.Expr) -> bool:
    # Shapes and dtypes are constants too.
    return isinstance(expression, GenericConst) and isinstance(expression.value, tvm.runtime.Tensor)


def _digest(constant: GenericConst) -> str:
    # A build may add or drop dimensions of length 1.
    return hashlib.sha256(constant.value.numpy().tobytes()).hexdigest()
