"""What a micro-kernel fetches ahead, while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx

from ..lowering.emit import LINE
from ..microkernels.base import Ahead, Following
from .padding import padded_plane
from .pixels import FlatTiling

if TYPE_CHECKING:
    from .loopnest import Nest

# How often a line is asked for: while all outstanding misses are taken, hints are dropped. An
# in-order core, which waits for its stores, has better use for the second time.
_PASSES = {"in-order": 1, "out-of-order": 2}


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


def input_of_next_block(nest: Nest, data, image, channel_tile, tile, first) -> Ahead | None:
    """Input lines that the next block of tiles will pack, for one call of the micro-kernel.

    Packing reads a short run of every plane: it waits for memory, which has nothing to do while the
    products are computed. All calls of a block together ask for the whole run of each plane, a
    line of one plane after the other: the calls for a tile of channels go on where those for the
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
    workload, tiling, core = nest.conv.workload, nest.tiling, nest.kernel.core
    if (workload.kh, workload.kw) != (1, 1) or not isinstance(tiling, FlatTiling):
        return None
    if nest.block >= tiling.count or nest.parts > 1:
        return None
    step = workload.stride[1]  # input pixels from one that is packed to the next
    pixels, a_line = nest.block * tiling.nr, max(LINE // step, 1)
    lines, turns = -(-pixels // a_line), max(nest.kernel.turns(nest.part_k), 1)
    trains = step == 1 and pixels // LINE >= core.figures["prefetch_training"].value
    beyond = core.figures["prefetch_distance"].value if trains else 0
    once = -(-workload.ci // turns) * lines
    calls = nest.channel_tiles * nest.block
    passes = max(min(_PASSES[core.pipeline], calls // once), 1)
    # The last calls, as weights that stream through L1 in others would take their place.
    call = channel_tile * nest.block + tile - max(calls - passes * once, 0)
    plane = tirx.floordiv(tirx.floormod(call, once), lines) * turns
    # The line of the next block's first pixel has come with the last one of this block.
    line = tirx.floormod(call, lines) + int(beyond)
    pixel = (first + nest.block) * tiling.nr + a_line - 1 + line * a_line
    height, width = padded_plane(workload)
    index = (image * workload.ci + plane) * (height * width) + tiling.input_offset(pixel)
    return Ahead(data, index, height * width, condition=call >= 0)
