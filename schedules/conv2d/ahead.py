"""What a micro-kernel fetches ahead, while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx

from ..lowering.emit import LINE
from ..microkernels.base import Ahead, Following
from .pixels import FlatTiling

if TYPE_CHECKING:
    from .loopnest import Nest

# How often a line is asked for: while all outstanding misses are taken, hints are dropped.
_PASSES = 2


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
    is_run = workload.is_pointwise and isinstance(tiling, FlatTiling)
    if not is_run or nest.block >= tiling.count or nest.parts > 1:
        return None
    pixels = nest.block * tiling.nr
    lines, turns = -(-pixels // LINE), max(nest.kernel.turns(nest.part_k), 1)
    trains = pixels // LINE >= core.figures["prefetch_training"].value
    beyond = core.figures["prefetch_distance"].value if trains else 0
    once = -(-workload.ci // turns) * lines
    calls = nest.channel_tiles * nest.block
    call = channel_tile * nest.block + tile
    plane = tirx.floordiv(tirx.floormod(call, once), lines) * turns
    # The line of the next block's first pixel has come with the last one of this block.
    pixel = (first + nest.block) * tiling.nr + LINE - 1
    line = tirx.floormod(call, lines) + int(beyond)
    index = (image * workload.ci + plane) * workload.pixels + pixel + line * LINE
    passes = max(min(_PASSES, calls // once), 1)
    return Ahead(data, index, workload.pixels, condition=call < passes * once)
