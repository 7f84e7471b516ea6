"""A fire module becomes one function: the squeeze and both convolutions that expand its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import relax, tirx
from tvm.ir import GenericConst

from ..conv2d.fire import FireNest
from ..conv2d.packed import PackedConv2d
from ..conv2d.padding import padded_plane
from ..conv2d.winograd import Conv2dWinograd
from ..fire_workload import FireWorkload
from ..hardware import Core
from ..knobs import Config
from ..registry import get
from ..selection import choose_fire
from .convolution import Convolution, Fused, NotAConvolution, Slot
from .emit import Emitter
from .epilogue import NotElementwise
from .schedule_pass import emit
from .targets import current_threads


@dataclass(frozen=True)
class Part:
    """One of the calls that become one.

    Attributes:
        func: what is called, with variables of its own.
        arguments: of the call.
        conv: `func` taken apart.
    """

    func: tirx.PrimFunc
    arguments: list
    conv: Convolution

    @classmethod
    def of(cls, func: tirx.PrimFunc, arguments: list) -> Part | None:
        """None where `func` is no convolution of ours."""
        # Equal convolutions are one function after fusion.
        func = tvm.ir.load_json(tvm.ir.save_json(func))
        try:
            return cls(func, arguments, Convolution(func))
        except (NotAConvolution, NotElementwise):
            return None

    @classmethod
    def with_zeros(cls, func: tirx.PrimFunc) -> Part:
        """The same with zeros for arguments: for a function whose constants come later."""
        inputs = list(func.params)[:-1]
        zeros = [np.zeros([int(n) for n in param.shape], np.float32) for param in inputs]
        return cls(func, [relax.const(each) for each in zeros], Convolution(func))

    @property
    def data(self) -> relax.Expr:
        """The argument that the convolution reads."""
        return self._argument(self.conv.data_param)

    @property
    def weight(self) -> relax.Expr:
        """The argument that holds the packed weights."""
        return self._argument(self.conv.weight_param)

    def _argument(self, wanted: tirx.Var) -> relax.Expr:
        pairs = zip(self.func.params, self.arguments, strict=False)  # the output has no argument
        return next(argument for param, argument in pairs if param.same_as(wanted))


def merge(
    squeeze: Part, expands: Sequence[Part], output: tirx.Var, core: Core
) -> tuple[tirx.PrimFunc, list] | None:
    """A function that computes a whole fire module into `output`, and its arguments.

    Args:
        squeeze: computes what `expands` read, and what nothing else reads.
        expands: compute the parts of the concatenation, in order.

    Returns:
        None for a module that the schedule does not serve.
    """
    one, three = sorted(expands, key=lambda part: not part.conv.workload.is_pointwise)
    workload = FireWorkload(*(part.conv.workload for part in (squeeze, one, three)))
    if not (_repackable(squeeze) and _repackable(one) and _reads_planes(three)):
        return None
    config = choose_fire(workload, core, current_threads())
    if config is None:
        return None
    return fuse(workload, (squeeze, one, three), expands[0] is one, output, core, config)


def fuse(
    workload: FireWorkload,
    parts: tuple[Part, Part, Part],
    one_is_first: bool,
    output: tirx.Var,
    core: Core,
    config: Config,
) -> tuple[tirx.PrimFunc, list]:
    """The function with `config`, a member of `fire.space`, and its arguments.

    Args:
        parts: squeeze, expanding 1x1, expanding 3x3. The weights of the first two are constants in
            tiles of channels.
        one_is_first: whether the 1x1's channels come first in `output`.
    """
    squeeze, one, three = parts
    emitter = Emitter()
    planes = workload.squeeze.n * workload.squeeze.co
    height, width = padded_plane(workload.expand3x3)
    squeezed = emitter.alloc("squeezed", planes * height * width)
    call = _Call(emitter)
    one_slot, three_slot = _slots(workload, one_is_first, output)
    nest = FireNest(
        squeeze=call.add(squeeze, Slot(squeezed, 0), mr=int(config["mr_squeeze"])),
        expand1x1=call.add(one, one_slot, source=squeezed, mr=int(config["mr_expand"])),
        expand3x3=call.add(three, three_slot, source=squeezed),
        squeezed=squeezed,
        core=core,
        config=config,
    )
    nest.emit()
    emit(nest.expand3x3, core)
    body = _body(nest.squeeze, nest.expand1x1, nest.expand3x3)
    return tirx.PrimFunc([*call.params, output], body), call.arguments


def in_pieces(
    workload: FireWorkload, funcs: Sequence[tirx.PrimFunc], output: tirx.Var, core: Core
) -> tirx.PrimFunc:
    """One function that runs the three as a network does where they are not fused.

    The expanding ones write their part of `output`; between them and the squeeze is a whole tensor.

    Args:
        funcs: squeeze, expanding 1x1, expanding 3x3: convolutions that are not scheduled yet.
    """
    squeeze = workload.squeeze
    shape = (squeeze.n, squeeze.co, squeeze.oh, squeeze.ow)
    emitter = Emitter()
    squeezed = emitter.tensor("squeezed", shape)
    params: list[tirx.Var] = []
    convs: list[Convolution] = []
    slots = (Slot(squeezed, 0), *_slots(workload, True, output))
    for func, slot, data in zip(funcs, slots, (None, squeezed, squeezed), strict=True):
        conv = emit(Convolution(func, slot, Fused(emitter, data=data)), core)
        convs.append(conv)
        inputs = list(func.params)[:-1]
        params += [each for each in inputs if data is None or not each.same_as(conv.data_param)]
    return tirx.PrimFunc([*params, output], _body(*convs))


def _body(first: Convolution, *others: Convolution) -> tirx.Stmt:
    """What was emitted for convolutions that share an emitter, with what all of them import."""
    for conv in others:
        for text in conv.imports:
            first.import_llvm(text)
    return first.body()


def _slots(workload: FireWorkload, one_is_first: bool, output: tirx.Var) -> tuple[Slot, Slot]:
    """Where the expanding 1x1 and 3x3 write."""
    if one_is_first:
        return Slot(output, 0), Slot(output, workload.expand1x1.co)
    return Slot(output, workload.expand3x3.co), Slot(output, 0)


class _Call:
    """Parameters and arguments of the merged function."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self.params: list[tirx.Var] = []
        self.arguments: list[relax.Expr] = []

    def add(
        self, part: Part, slot: Slot, source: tirx.Var | None = None, mr: int | None = None
    ) -> Convolution:
        """The convolution of `part`, which becomes a part of the function.

        Args:
            slot: where it writes.
            source: what it reads instead of its argument.
            mr: channels a tile of its weights, which are packed again; None: as they are.
        """
        weight = None
        for param, argument in zip(part.func.params, part.arguments, strict=False):
            if param.same_as(part.conv.data_param) and source is not None:
                continue
            if param.same_as(part.conv.weight_param) and mr is not None:
                repacked = _repacked(part, mr)
                param = weight = tirx.decl_buffer(repacked.shape, "float32", "weight")
                argument = relax.const(repacked)
            self.params.append(param)
            self.arguments.append(argument)
        return Convolution(part.func, slot, Fused(self._emitter, source, weight))


def _repackable(part: Part) -> bool:
    """Whether the weights are constants, packed as tiles of channels."""
    packed = isinstance(get(part.conv.schedule_name), PackedConv2d)
    return packed and isinstance(part.weight, GenericConst)


def _repacked(part: Part, mr: int) -> np.ndarray:
    """The weights in tiles of `mr` channels."""
    schedule, workload = get(part.conv.schedule_name), part.conv.workload
    assert isinstance(schedule, PackedConv2d) and isinstance(part.weight, GenericConst)
    weight = schedule.unpack(part.weight.value.numpy(), workload)
    return schedule.pack(weight, workload, {**part.conv.config, "mr": mr})


def _reads_planes(part: Part) -> bool:
    """Whether the schedule reads planes that have their border already."""
    return isinstance(get(part.conv.schedule_name), PackedConv2d | Conv2dWinograd)
