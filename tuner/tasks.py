"""Network -> the distinct convolutions and fire modules to tune, with how often each occurs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import tvm
from tvm import relax

from schedules import Conv2dWorkload, FireWorkload
from schedules.competition import Workload
from schedules.lowering.legalize import workload_of


@dataclass(frozen=True)
class Task:
    """One distinct convolution of a network, or one distinct fire module.

    The convolutions of a fire module are tasks of their own besides: see `composition`.

    Attributes:
        workload: its shape facts.
        layers: names of the layers that compute it, in order; of a fire module, what the names of
            its convolutions begin with.
        epilogue: what follows most of them in the same kernel, e.g. ("bias", "relu"): what is
            measured with them. Of a fire module, behind each of its convolutions.
    """

    workload: Workload
    layers: tuple[str, ...]
    epilogue: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many layers of the network are this workload."""
        return len(self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all its layers together."""
        return self.workload.macs * self.count

    @property
    def price(self) -> int:
        """How many times as long as a convolution's a trial takes: a module has several."""
        return len(self.workload.parts) if isinstance(self.workload, FireWorkload) else 1

    @property
    def name(self) -> str:
        """The first layer's name, with the number of further layers."""
        return self.layers[0] + (f" (+{self.count - 1})" if self.count > 1 else "")


def extract(module: tvm.IRModule) -> list[Task]:
    """Return the distinct convolutions and fire modules of `module`'s main, in order.

    A fire module comes where its concatenation is, behind its convolutions.

    Those of a layout or dtype that no schedule could serve are left out. Equal convolutions are one
    task even where different steps follow them: a config is chosen by workload, and these steps
    take next to none of its time.
    """
    bindings = [binding for block in module["main"].body.blocks for binding in block.bindings]
    users = _users(bindings)
    results = set(relax.analysis.free_vars(module["main"].body.body))
    layers: dict[Workload, list[str]] = defaultdict(list)
    epilogues: dict[Workload, Counter[tuple[str, ...]]] = defaultdict(Counter)
    behind: dict[relax.Var, _Convolution] = {}
    for binding in bindings:
        workload: Workload | None = None
        if _operator(binding) == "relax.nn.conv2d":
            workload = workload_of(binding.value)
            name = binding.var.name
            if workload is not None:
                last, epilogue = _epilogue(binding, users)
                behind[last] = _Convolution(name, workload, binding.value, last, epilogue)
        elif _operator(binding) == "relax.concat":
            # What main returns has a reader that is no binding.
            inner = {last: conv for last, conv in behind.items() if last not in results}
            if parts := _fire(binding.value, inner, users):
                name = _common_name([part.name for part in parts])
                workload = FireWorkload(*(part.workload for part in parts))
                first = parts[0].epilogue
                epilogue = tuple(s for s in first if all(s in part.epilogue for part in parts))
        if workload is not None:
            layers[workload].append(name)
            epilogues[workload][epilogue] += 1
    return [
        # The first of those that are equally frequent.
        Task(workload, tuple(names), epilogues[workload].most_common(1)[0][0])
        for workload, names in layers.items()
    ]


def total_macs(found: Iterable[Task]) -> int:
    """Return the multiply-accumulates of all convolutions; those of fire modules are among them."""
    return sum(task.macs for task in found if not isinstance(task.workload, FireWorkload))


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


@dataclass(frozen=True)
class _Convolution:
    """A convolution with its epilogue, whose result is `last`."""

    name: str
    workload: Conv2dWorkload
    call: relax.Call
    last: relax.Var
    epilogue: tuple[str, ...]


def _fire(
    concat: relax.Call,
    behind: Mapping[relax.Var, _Convolution],
    users: Mapping[relax.Var, list[relax.Binding]],
) -> tuple[_Convolution, ...]:
    """Return squeeze, 1x1 and 3x3 of the fire module that ends in `concat`, if one does.

    That is what `schedules.lowering` makes one function of: two convolutions that are concatenated
    and nothing else, one of them a 1x1, read what a 1x1 squeezed and nothing else reads; weights
    are constants.

    Args:
        behind: convolutions by their result, or that of their epilogue.
    """
    fields = concat.args[0]
    if concat.attrs.axis != 1 or not isinstance(fields, relax.Tuple) or len(fields) != 2:
        return ()
    if any(field not in behind or len(users[field]) != 1 for field in fields):
        return ()
    one, three = sorted(
        (behind[field] for field in fields), key=lambda each: not each.workload.is_pointwise
    )
    source = one.call.args[0]
    if source not in behind or not source.same_as(three.call.args[0]) or len(users[source]) != 2:
        return ()
    parts = (behind[source], one, three)
    if not all(isinstance(part.call.args[1], tvm.ir.GenericConst) for part in parts):
        return ()
    if not (parts[0].workload.is_pointwise and one.workload.is_pointwise):
        return ()
    if three.workload.is_pointwise or any(part.workload.groups != 1 for part in parts):
        return ()
    return parts


def _common_name(names: Sequence[str]) -> str:
    """Return the words that all `names` begin with: "fire2" of "fire2_squeeze", "fire2_expand1x1".

    Importers keep the names of convolutions; those of concatenations many files do not have.
    """
    words = zip(*(re.split(r"[\W_]+", name) for name in names), strict=False)
    shared = [word for word, *_ in takewhile(lambda each: len(set(each)) == 1, words)]
    return "_".join(shared) or f"{names[0]}_fire"


def _epilogue(
    binding: relax.Binding, users: dict[relax.Var, list[relax.Binding]]
) -> tuple[relax.Var, tuple[str, ...]]:
    """Return the result of the steps after a convolution that its kernel computes too, and name
    them; they end where something else reads one's result.

    They are "bias" (adding one constant a channel) and then "relu", as `schedules.conv2d_module`
    rebuilds them. The rest of what Relax may fuse, such as the addition of a residual and the ReLU
    behind it, is not part of the task.
    """
    channels = int(binding.var.ty.shape[1])
    steps: list[str] = []
    while len(users[binding.var]) == 1 and steps[-1:] != ["relu"]:
        user = users[binding.var][0]
        if _operator(user) == "relax.nn.relu":
            steps.append("relu")
        elif not steps and _adds_bias(user, channels):
            steps.append("bias")
        else:
            break
        binding = user
    return binding.var, tuple(steps)


def _adds_bias(binding: relax.Binding, channels: int) -> bool:
    """Whether `binding` adds a constant (1, `channels`, 1, 1), or one that broadcasts like it."""
    if _operator(binding) != "relax.add":
        return False
    bias = binding.value.args[1]
    if not isinstance(bias, tvm.ir.GenericConst):
        return False
    shape = [int(extent) for extent in bias.ty.shape]
    return [1] * (4 - len(shape)) + shape == [1, channels, 1, 1]
