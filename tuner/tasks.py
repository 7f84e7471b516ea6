"""Network -> the distinct convolutions to tune, with how often each occurs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import tvm
from tvm import relax

from schedules import Conv2dWorkload
from schedules.lowering.legalize import workload_of


@dataclass(frozen=True)
class Task:
    """One distinct convolution of a network.

    Attributes:
        workload: its shape facts.
        layers: names of the layers that compute it, in order.
        epilogue: what follows most of them in the same kernel, e.g. ("bias", "relu"): what is
            measured with them.
    """

    workload: Conv2dWorkload
    layers: tuple[str, ...]
    epilogue: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many layers of the network are this convolution."""
        return len(self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all its layers together."""
        return self.workload.macs * self.count

    @property
    def name(self) -> str:
        """The first layer's name, with the number of further layers."""
        return self.layers[0] + (f" (+{self.count - 1})" if self.count > 1 else "")


def extract(module: tvm.IRModule) -> list[Task]:
    """Return the distinct convolutions of `module`'s main, in order of first appearance.

    Those of a layout or dtype that no schedule could serve are left out. Equal convolutions are one
    task even where different steps follow them: a config is chosen by workload, and these steps
    take next to none of its time.
    """
    bindings = [binding for block in module["main"].body.blocks for binding in block.bindings]
    users = _users(bindings)
    layers: dict[Conv2dWorkload, list[str]] = defaultdict(list)
    epilogues: dict[Conv2dWorkload, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for binding in bindings:
        if _operator(binding) != "relax.nn.conv2d":
            continue
        workload = workload_of(binding.value)
        if workload is not None:
            layers[workload].append(binding.var.name)
            epilogues[workload][_epilogue(binding, users)] += 1
    return [
        # The first of those that are equally frequent.
        Task(workload, tuple(names), epilogues[workload].most_common(1)[0][0])
        for workload, names in layers.items()
    ]


def _operator(binding: relax.Binding) -> str:
    """Return the name of the operator that `binding` calls, or an empty text."""
    value = binding.value
    is_operator = isinstance(value, relax.Call) and isinstance(value.op, tvm.ir.Op)
    return value.op.name if is_operator else ""


def _users(bindings: list[relax.Binding]) -> dict[relax.Var, list[relax.Binding]]:
    """Map each variable to the bindings that read it."""
    users: dict[relax.Var, list[relax.Binding]] = defaultdict(list)
    for binding in bindings:
        for variable in relax.analysis.free_vars(binding.value):
            users[variable].append(binding)
    return users


def _epilogue(
    binding: relax.Binding, users: dict[relax.Var, list[relax.Binding]]
) -> tuple[str, ...]:
    """Name the steps after a convolution that its kernel computes too, while nothing else reads it.

    These are "bias" (adding one constant a channel) and then "relu", as `schedules.conv2d_module`
    rebuilds them. The rest of what Relax may fuse, such as the addition of a residual and the ReLU
    behind it, is not part of the task.
    """
    channels = int(binding.var.ty.shape[1])
    steps: list[str] = []
    while len(users[binding.var]) == 1 and steps[-1:] != ["relu"]:
        binding = users[binding.var][0]
        if _operator(binding) == "relax.nn.relu":
            steps.append("relu")
        elif not steps and _adds_bias(binding, channels):
            steps.append("bias")
        else:
            break
    return tuple(steps)


def _adds_bias(binding: relax.Binding, channels: int) -> bool:
    """Whether `binding` adds a constant (1, `channels`, 1, 1), or one that broadcasts like it."""
    if _operator(binding) != "relax.add":
        return False
    bias = binding.value.args[1]
    if not isinstance(bias, tvm.ir.GenericConst):
        return False
    shape = [int(extent) for extent in bias.ty.shape]
    return [1] * (4 - len(shape)) + shape == [1, channels, 1, 1]
