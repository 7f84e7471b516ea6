"""Network -> the distinct convolutions to tune, with how often each occurs."""

from __future__ import annotations

from collections import defaultdict
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
        epilogue: what follows each of them in the same kernel, e.g. ("bias", "relu").
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

    Those of a layout or dtype that no schedule could serve are left out.
    """
    bindings = [binding for block in module["main"].body.blocks for binding in block.bindings]
    users = _users(bindings)
    layers: dict[tuple[Conv2dWorkload, tuple[str, ...]], list[str]] = {}
    for binding in bindings:
        if _operator(binding) != "relax.nn.conv2d":
            continue
        workload = workload_of(binding.value)
        if workload is not None:
            task = (workload, _epilogue(binding, users))
            layers.setdefault(task, []).append(binding.var.name)
    return [
        Task(workload, tuple(names), epilogue) for (workload, epilogue), names in layers.items()
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

    These are "bias" (adding a constant) and "relu".
    """
    steps: list[str] = []
    while len(users[binding.var]) == 1:
        binding = users[binding.var][0]
        if _operator(binding) == "relax.nn.relu":
            steps.append("relu")
        elif _operator(binding) == "relax.add" and isinstance(
            binding.value.args[1], tvm.ir.GenericConst
        ):
            steps.append("bias")
        else:
            break
    return tuple(steps)
