"""What a micro-kernel fetches ahead, while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from tvm import tirx

from ..hardware import Core
from ..lowering.emit import LINE
from ..microkernels.base import Ahead, Following
from .padding import padded_plane
from .pixels import FlatTiling

if TYPE_CHECKING:
    from .loopnest import Nest

# How often a line is asked for: while all outstanding misses are taken, hints are dropped. An
# in-order core, which waits for its stores, has better use for the second time.
_PASSES = {"in-order": 1, "out-of-order": 2}

_SHORT_RUN = 64  # pixels


def following_if_last(turn, turns, elements) -> Following | None:
    """What a kernel can fetch while it runs the last of `turns` times with the same weights.

    The first turn finds them in L2, then. One turn alone has no time for both its own weights and
    the next ones.

    Args:
        elements: from the weights of these turns to those of the next ones.
    """
    if isinstance(turns, int) and turns == 1:
        return None
    return Following(tirx.all(turn == turns - 1, turns > 1), elements)


class _InputCalls(NamedTuple):
    """The calls of a block that ask for input of the next one.

    Attributes:
        first: the first of them; they are the last ones, as weights that stream through L1 in
            others would take the place of what came.
        once: how many ask for all lines.
        lines: of a plane.
        a_line: packed pixels from one of them to the next.
        beyond: lines that a hardware prefetcher has on the way when a block begins.
    """

    first: int
    once: int
    lines: int
    a_line: int
    beyond: int


def _input_calls(nest: Nest) -> _InputCalls | None:
    """None where blocks are no runs of pixels, or all pixels are one block."""
    workload, core, step = nest.conv.workload, nest.kernel.core, nest.conv.workload.stride[1]
    if (workload.kh, workload.kw) != (1, 1) or not isinstance(nest.tiling, FlatTiling):
        return None
    if nest.block >= nest.tiling.count or nest.parts > 1:
        return None
    pixels, turns = nest.block * nest.tiling.nr, max(nest.kernel.turns(nest.part_k), 1)
    calls, chunks = nest.channel_tiles * nest.block, -(-workload.ci // turns)
    a_line = max(LINE // step, 1)
    # Rows begin anywhere in a line. Where that leaves half the calls, none is left out.
    waits = step > 1 and core.pipeline == "in-order"
    if waits and 2 * chunks * -(-pixels // (a_line // 2 or 1)) <= calls:
        a_line = a_line // 2 or 1
    trains = step == 1 and pixels // LINE >= core.figures["prefetch_training"].value
    beyond = int(core.figures["prefetch_distance"].value) if trains else 0
    lines = -(-pixels // a_line)
    once = chunks * lines
    passes = max(min(_PASSES[core.pipeline], calls // once), 1)
    return _InputCalls(max(calls - passes * once, 0), once, lines, a_line, beyond)


def hinted_lines(core: Core, pixels: int) -> list[int]:
    """Where the lines begin of a run of so many pixels that is asked for a plane ahead.

    Empty where packing does without: long runs set off a hardware prefetcher, and LLVM moves loads
    of several planes ahead of their stores, given 32 vector registers, but never across a hint.
    """
    if core.isa == "aarch64" or pixels > _SHORT_RUN:
        return []
    return [*range(0, pixels - 1, LINE), pixels - 1]


def rows_a_call(nest: Nest) -> int:
    """Rows of the output that a call for a tile of channels asks for.

    More than its own where later calls ask for input.
    """
    mr, calls = nest.kernel.mr, _input_calls(nest)
    if calls is None or calls.first < nest.block:
        return mr
    all_rows = -(-nest.channel_tiles * mr // (calls.first // nest.block))
    return max(min(all_rows, nest.kernel.turns(nest.part_k)), mr)


def input_of_next_block(nest: Nest, data, image, channel_tile, tile, first) -> Ahead | None:
    """Input lines that the next block of tiles will pack, for one call of the micro-kernel.

    Packing reads a short run of every plane: it waits for memory, which has nothing to do while the
    products are computed. The last calls of a block together ask for the whole run of each plane,
    a line of one plane after the other: the calls for a tile of channels go on where those for the
    one before it stopped.

    Runs that are long enough to set off a hardware prefetcher have their next lines on the way
    when a block begins, behind each other on the bus; then the lines beyond its reach are asked
    for.

    Args:
        data: the input, flat.
        tile: of the block.
        first: tile of the block, of the image.

    Returns:
        None where blocks are no runs of pixels, or all pixels are one block.
    """
    calls = _input_calls(nest)
    if calls is None:
        return None
    workload, tiling = nest.conv.workload, cast(FlatTiling, nest.tiling)
    turns, a_line = max(nest.kernel.turns(nest.part_k), 1), calls.a_line
    call = channel_tile * nest.block + tile - calls.first
    plane = tirx.floordiv(tirx.floormod(call, calls.once), calls.lines) * turns
    # The line of the next block's first pixel has come with the last one of this block.
    line = tirx.floormod(call, calls.lines) + calls.beyond
    pixel = (first + nest.block) * tiling.nr + a_line - 1 + line * a_line
    if workload.stride[1] > 1:  # the next row's first line may wait, this one's last may not
        last = (first + 2 * nest.block) * tiling.nr - 1
        pixel = tirx.min(pixel, (tirx.floordiv(last, workload.ow) + 1) * workload.ow - 1)
    height, width = padded_plane(workload)
    index = (image * workload.ci + plane) * (height * width) + tiling.input_offset(pixel)
    return Ahead(data, index, height * width, condition=call >= 0)
