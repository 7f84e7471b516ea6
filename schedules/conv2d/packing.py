"""Panels packed tile by tile or plane by plane; `by_rows` has what reads whole rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from ..lowering.emit import LANES, Emitter, ramp
from .ahead import hinted_lines
from .padding import padded_plane

if TYPE_CHECKING:
    from .loopnest import Nest, Part, Tail

_FEW_TILES = 8  # of a plane, that are written out
UNROLLED_TAPS = 9  # up to a 3x3 kernel the packing code is written out tap by tap


def pack_tile(nest: Nest, data, image, tile, panels, base, part: Part) -> None:
    """Copies the input pixels under one tile into `panels` from `base`, as rows of NR."""
    e, workload = nest.conv.e, nest.conv.workload
    height, width = padded_plane(workload)
    runs = nest.tiling.input_runs(e, nest.tiling.origin(e, tile))
    first = image * workload.ci + part.first
    pairs = [(data, first * (height * width) + at) for run in runs for at in run.pairs]
    if data is nest.conv.data and nest.conv.source is None:
        # An index would be worked out for each load. TVM does not see what is read through
        # pointers, though: it might give the memory of a copy of its own to the panels.
        pairs = [(e.view_from(*pair), 0) for pair in pairs]
    unrolled = workload.kh * workload.kw <= UNROLLED_TAPS
    kind = ForKind.UNROLLED if unrolled else ForKind.SERIAL
    with e.loop(nest.part_channels, "ci") as ci:
        plane = e.bind("plane", (ci if pairs else first + ci) * (height * width))
        with e.loop(workload.kh, "kh", kind) as kh, e.loop(workload.kw, "kw", kind) as kw:
            row = base + ((ci * workload.kh + kh) * workload.kw + kw) * nest.tiling.nr
            tap = plane + kh * (workload.dilation[0] * width) + kw * workload.dilation[1]
            for i in range(0, len(pairs), 2):
                two = [BufferLoad(buffer, [ramp(tap + at)]) for buffer, at in pairs[i : i + 2]]
                e.store(panels, ramp(row + LANES // 2 * i), tirx.Shuffle(two, [0, 2, 4, 6]))
            for run in () if pairs else runs:
                _copy_run(e, data, tap, run, panels, row)


def pack_planes(nest: Nest, data, image, first, turns, panels, part: Part) -> None:
    """Copies `turns` tiles of a pointwise convolution, plane after plane.

    Each plane is a page of its own for the TLB, and neighbouring tiles share cache lines.  A
    constant number of tiles lets LLVM load those of several planes before it stores any. Behind
    the last one it is packed again.
    """
    e, workload, nr = nest.conv.e, nest.conv.workload, nest.tiling.nr
    size, channels = workload.pixels, image * workload.ci + part.first
    lines = hinted_lines(nest.kernel.core, nest.block * nr)
    hint = e.view_from(data, (channels + 1) * size + first * nr) if lines else None
    with e.loop(nest.part_channels, "ci") as ci:
        plane = e.bind("plane", (channels + ci) * size)
        for line in lines:
            e.prefetch(hint, ci * size + line)
        with e.loop(turns, "tile") as tile:
            row = tile * nest.panel_size + ci * nr
            for run in nest.tiling.input_runs(e, nest.tiling.origin(e, first + tile)):
                _copy_run(e, data, plane, run, panels, row)


def is_small_map(nest: Nest) -> bool:
    """Whether planes are so small, and read pixel by pixel, that code for all tiles pays."""
    workload, tiling = nest.conv.workload, nest.tiling
    is_single = (workload.kh, workload.kw) == (1, 1) and not workload.is_pointwise
    return is_single and tiling.count <= _FEW_TILES and not tiling.is_in_pairs


def pack_whole_planes(nest: Nest, data, image, panels, part: Part, tail: Tail | None) -> None:
    """Copies all tiles, plane after plane, each read from its first line to its last."""
    e, workload = nest.conv.e, nest.conv.workload
    height, width = padded_plane(workload)
    parts = [(nest, 0)]
    if tail:
        parts.append((tail.nest, tail.panel))
    with e.loop(nest.part_channels, "ci", ForKind.PARALLEL) as ci:
        channel = image * workload.ci + part.first + ci
        plane = e.bind("plane", channel * (height * width))
        for each, base in parts:
            with e.loop(each.tiling.count, "tile", ForKind.UNROLLED) as tile:
                row = base + tile * each.panel_size + ci * each.tiling.nr
                for run in each.tiling.input_runs(e, each.tiling.origin(e, tile)):
                    _copy_run(e, data, plane, run, panels, row)


def _copy_run(e: Emitter, data, tap, run, panels, row) -> None:
    """Pixels side by side, in vectors where their number allows."""
    assert not run.pairs, "every second pixel"
    step = LANES if run.length % LANES == 0 else 1
    for i in range(0, run.length, step):
        dst, src = row + run.start + i, tap + run.offset + i
        if step == LANES:
            dst, src = ramp(dst), ramp(src)
        e.store(panels, dst, BufferLoad(data, [src]))
