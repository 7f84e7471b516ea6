"""What pointwise convolutions fetch for their next block is what it will pack."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from schedules import Conv2dWorkload
from schedules.conv2d.ahead import input_of_next_block
from schedules.conv2d.pixels import FlatTiling
from schedules.hardware import core
from schedules.lowering.emit import LINE

_A53 = core("cortex-a53")


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 40),
    size=st.integers(8, 30),
    stride=st.integers(1, 2),
    nr=st.sampled_from([4, 8, 12]),
    block=st.sampled_from([1, 2, 4]),
    channel_tiles=st.integers(1, 12),
    unroll=st.sampled_from([1, 4]),
)
def test_every_line_of_the_next_block_is_asked_for(
    channels, size, stride, nr, block, channel_tiles, unroll
):
    workload = Conv2dWorkload(1, channels, size, size, 8, 1, 1, stride=(stride, stride))
    tiling = FlatTiling(workload, nr)
    kernel = SimpleNamespace(core=_A53, turns=lambda k: max((k - 1) // unroll, 1))
    nest = SimpleNamespace(
        conv=SimpleNamespace(workload=workload),
        tiling=tiling,
        kernel=kernel,
        block=block,
        parts=1,
        part_k=channels,
        channel_tiles=channel_tiles,
    )
    if block >= tiling.count:
        assert input_of_next_block(nest, None, 0, 0, 0, 0) is None
        return
    trains = stride == 1 and block * nr // LINE >= int(_A53.figures["prefetch_training"].value)
    beyond = int(_A53.figures["prefetch_distance"].value) * LINE if trains else 0
    asked = set()
    for channel_tile in range(channel_tiles):
        for tile in range(block):
            ahead = input_of_next_block(nest, None, 0, channel_tile, tile, 0)
            if int(ahead.condition):
                first = int(ahead.index) - beyond
                turns = range(kernel.turns(channels))
                asked |= {(first + turn * ahead.stride) // LINE for turn in turns}
    lines = -(-block * nr // max(LINE // stride, 1))
    if channel_tiles * block * kernel.turns(channels) < (channels + kernel.turns(channels)) * lines:
        return  # too few calls for all of it
    plane = size * size
    pixels = range(block * nr, min(2 * block * nr, workload.pixels))
    # The line of the first pixel has come with this block.
    mine = {int(tiling.input_offset(pixel)) for pixel in range(block * nr)}
    for channel in range(channels):
        here = {(channel * plane + offset) // LINE for offset in mine}
        needed = {(channel * plane + int(tiling.input_offset(p))) // LINE for p in pixels}
        if stride == 1:
            assert needed - here <= asked
        else:  # rows of a strided input begin anywhere in a line: most of it
            assert len((needed - here) & asked) >= len(needed - here) // 2
