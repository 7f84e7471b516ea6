"""A fused convolution function, taken apart: the input of `Schedule.emit`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tvm import te, tirx
from tvm.s_tir import Schedule as TensorSchedule
from tvm.tirx import BufferLoad, ForKind

from ..workload import Conv2dWorkload
from .annotations import has_blocks
from .emit import LANES, Emitter, ramp
from .epilogue import Epilogue, NotElementwise


class NotAConvolution(Exception):
    """The function is none of our convolutions."""


ANNOTATION = "arm_schedule"
"""Key on the convolution's block; a block annotation is what survives Relax's fusion."""


def annotated(output, workload: Conv2dWorkload, schedule: str, config) -> te.Tensor:
    """The convolution's result as a tensor expression that tells the late pass how to schedule it.

    Args:
        output: maps (n, c, y, x) to the value there.
    """
    text = json.dumps({"workload": workload.key, "schedule": schedule, "config": dict(config)})
    shape = (workload.n, workload.co, workload.oh, workload.ow)
    return te.compute(shape, output, name="conv2d", attrs={ANNOTATION: text})


def find_annotated(sch: TensorSchedule):
    """(block, its annotation as a dict), or None when the function holds no convolution of ours."""
    for block in sch.get_child_blocks(sch.get_sblock("root")):
        text = sch.get(block).annotations.get(ANNOTATION)
        if text is not None:
            return block, json.loads(str(text))
    return None


@dataclass(frozen=True)
class Fused:
    """What a convolution uses that is only a part of a larger function.

    Attributes:
        emitter: of the whole function.
        source: flat buffer that holds its input, with its border, instead of the parameter.
        weight: parameter to read the packed weights from instead of its own, where they are packed
            otherwise.
        data: buffer that holds its input, as it is, instead of the parameter.
    """

    emitter: Emitter
    source: tirx.Var | None = None
    weight: tirx.Var | None = None
    data: tirx.Var | None = None


@dataclass(frozen=True)
class Slot:
    """Where a convolution writes: its channels begin at `first` of an NCHW tensor of `channels`."""

    buffer: tirx.Var
    first: int

    @property
    def channels(self) -> int:
        return int(self.buffer.shape[1])


class Convolution:
    """Buffers, workload and epilogue of one function, and the emitter of its new body.

    Args:
        func: a PrimFunc with one annotated convolution block and elementwise blocks behind it.
        slot: where to write instead of the function's own output.
        fused: given where the convolution is only a part of a larger function.

    Attributes:
        data_param, weight_param: the function's parameters for input and packed weights.
        data, weight, output: flat views of what is read and written.

    Raises:
        NotAConvolution: `func` has no annotated block.
        NotElementwise: something behind the convolution cannot be replayed on a tile.
    """

    def __init__(
        self, func: tirx.PrimFunc, slot: Slot | None = None, fused: Fused | None = None
    ) -> None:
        if not has_blocks(func):
            raise NotAConvolution
        sch = TensorSchedule(func)
        found = find_annotated(sch)
        if found is None:
            raise NotAConvolution
        block, chosen = found
        self.func = func
        self.workload = Conv2dWorkload.from_key(chosen["workload"])
        self.schedule_name: str = chosen["schedule"]
        self.config: dict[str, int | str] = chosen["config"]
        self.data_param, self.weight_param = _operands(sch, block, func)
        last = _inline_consumers(sch, block)
        final = sch.get(last)
        self._epilogue = (
            None
            if last is block
            else Epilogue(final.body, sch.get(block).writes[0].source, func.params)
        )
        self.slot = slot or Slot(final.writes[0].source, 0)
        fused = fused or Fused(Emitter())
        self.e = fused.emitter
        self.source = fused.source
        data = self.data_param if fused.data is None else fused.data
        self.data = self.e.flat_view(data) if fused.source is None else fused.source
        weight = self.weight_param if fused.weight is None else fused.weight
        self.weight = self.e.flat_view(weight)
        self.output = self.e.flat_view(self.slot.buffer)
        self._views = {
            buffer: self.e.flat_view(buffer)
            for buffer in (self._epilogue.inputs if self._epilogue else [])
        }
        self.imports: list[str] = []

    def import_llvm(self, text: str) -> None:
        """Links LLVM IR `text` into the function's module."""
        if text not in self.imports:
            self.imports.append(text)

    def body(self) -> tirx.Stmt:
        """What was emitted, as one statement."""
        body = self.e.body()
        for text in self.imports:
            body = tirx.AttrStmt(tirx.const(0, "int32"), "pragma_import_llvm", text, body)
        return body

    def finish(self) -> tirx.PrimFunc:
        """The function with its new body."""
        return self.func.with_body(self.body()).with_attr("tirx.is_scheduled", True)

    def store_row(self, image, channel, offset, accumulators, start: int, length: int) -> None:
        """Stores consecutive pixels of one channel, through the epilogue.

        Args:
            image, channel: where, as expressions.
            offset: flat index of the first pixel in the output plane.
            accumulators: buffer with the convolution's values, from element `start` on.
            length: how many; vectors of 4 first, then single elements.
        """
        for i, lanes in _pieces(length):
            self._store(image, channel, offset + i, accumulators, start + i, lanes)

    def store_channels(self, image, channel, accumulators, start: int, length: int) -> None:
        """Stores consecutive channels of a result of one pixel, through the epilogue.

        Args:
            image, channel: where the first goes, as expressions.
            accumulators, start, length: as for `store_row`.
        """
        for i, lanes in _pieces(length):
            self._store(image, channel + i, 0, accumulators, start + i, lanes, channels=lanes)

    def take_bias(self, image, channel):
        """What the epilogue adds first to all pixels of a channel, an expression; None for nothing.

        Whoever asks begins its sums with it, in all channels: the epilogue adds it no more.
        """
        buffer = self._epilogue.take_bias() if self._epilogue else None
        return None if buffer is None else BufferLoad(self._views[buffer], [channel])

    @property
    def may_reduce_first(self) -> bool:
        """Whether the epilogue may be applied to the maximum of some pixels instead of to each."""
        return self._epilogue is None or self._epilogue.is_monotone

    def store_reduced(self, image, channel, at, accumulators, start: int, lanes: int) -> None:
        """Stores maxima over pixels from element `at` of the output, through the epilogue.

        Args:
            lanes: how many: 4 or 1.
            image, channel, accumulators, start: as for `store_row`.
        """
        self._store_at(at, image, channel, 0, accumulators, start, lanes)

    def apply_epilogue(self, image, channel, offset, accumulators, start: int, length: int) -> None:
        """Applies the epilogue to accumulators in place; arguments as for `store_row`."""
        if self._epilogue is None:
            return
        for i, lanes in _pieces(length):
            value = (image, channel, offset + i, accumulators, start + i)
            self._apply(*value, lanes, target=accumulators, at=start + i)

    def output_index(self, image, channel, offset):
        """Index in `output` of a pixel of the convolution's own channels."""
        slot = self.slot
        return (image * slot.channels + slot.first + channel) * self.workload.pixels + offset

    def _store(
        self, image, channel, offset, accumulators, start: int, lanes: int, channels: int = 1
    ) -> None:
        """Stores `lanes` values: pixels of one channel, or one pixel of each of `channels`."""
        at = self.output_index(image, channel, offset)
        self._store_at(at, image, channel, offset, accumulators, start, lanes, channels)

    def _store_at(
        self, at, image, channel, offset, accumulators, start: int, lanes: int, channels: int = 1
    ) -> None:
        if self._epilogue is None:
            index = (lambda i: ramp(i)) if lanes == LANES else (lambda i: i)
            self.e.store(self.output, index(at), BufferLoad(accumulators, [index(start)]))
            return
        value = (image, channel, offset, accumulators, start)
        self._apply(*value, lanes, channels, target=self.output, at=at)

    def _apply(
        self,
        image,
        channel,
        offset,
        accumulators,
        start: int,
        lanes: int,
        channels: int = 1,
        *,
        target,
        at,
    ) -> None:
        """Stores `lanes` values with the epilogue applied into `target` from `at`."""
        e, workload = self.e, self.workload
        assert self._epilogue is not None
        # Operands of the epilogue have the convolution's channels, the output may have more.
        operand = (image * workload.co + channel) * workload.pixels + offset
        kind = ForKind.VECTORIZED if lanes > 1 else ForKind.SERIAL
        with e.loop(lanes, "lane", kind) as lane:
            own = channel + lane if channels > 1 else channel
            places = {"element": operand + lane, "channel": own, "scalar": 0}
            value = self._epilogue.replay(
                lambda: BufferLoad(accumulators, [start + lane]),
                lambda buffer, kind: BufferLoad(self._views[buffer], [places[kind]]),
            )
            e.store(target, at + lane, value)


def _pieces(length: int) -> Iterator[tuple[int, int]]:
    """(start, lanes) of vectors that cover `length` elements, and of the single ones behind."""
    whole = length - length % LANES
    yield from ((i, LANES) for i in range(0, whole, LANES))
    yield from ((i, 1) for i in range(whole, length))


def _inline_consumers(sch: TensorSchedule, block):
    """Inlines every block behind `block` into the last one and returns that."""
    blocks = sch.get_child_blocks(sch.get_sblock("root"))
    names = [sch.get(each).name_hint for each in blocks]
    behind = blocks[names.index(sch.get(block).name_hint) + 1 :]
    if not behind:
        return block
    *between, last = behind
    try:
        for each in between:
            sch.compute_inline(each)
    except RuntimeError as reason:  # tvm.s_tir.ScheduleError
        raise NotElementwise(f"cannot be inlined: {reason}") from reason
    return last


def _operands(sch: TensorSchedule, block, func) -> tuple:
    """The function's data and packed weights: the inputs behind the convolution's block.

    Packed weights have three axes (see `Schedule.packed_shape`), data has two or four.
    """
    blocks = sch.get_child_blocks(sch.get_sblock("root"))
    names = [sch.get(each).name_hint for each in blocks]
    upto = blocks[: names.index(sch.get(block).name_hint) + 1]
    read = [region.source for each in upto for region in sch.get(each).reads]
    inputs = [param for param in func.params if any(param.same_as(buffer) for buffer in read)]
    is_weight = [len(buffer.shape) == 3 for buffer in inputs]
    return inputs[is_weight.index(False)], inputs[is_weight.index(True)]
