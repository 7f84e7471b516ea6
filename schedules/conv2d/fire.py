"""`conv2d_squeezenet_fire`: a fire module of SqueezeNet as one function.

Iandola et al., "SqueezeNet" (2016): a 1x1 convolution squeezes to few channels, a 1x1 and a 3x3
convolution expand them side by side, and their results are concatenated. The squeezed tensor is
small, and each expanding convolution wants it in another form. Here the squeeze computes a block of
pixel tiles and stores each tile twice while it is in registers: as a packed panel, which the
expanding 1x1 multiplies at once from the L1 cache, and into planes with a border of zeros, from
which the 3x3 then reads. So the squeezed tensor is neither packed nor padded again, and everything
but the 3x3 is one parallel loop. Both expanding convolutions write their part of the concatenation.

The 3x3 runs by the schedule and config that were chosen for it. `fire_ways.py` has what competes
with this in the tuner.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

from .. import hardware
from ..fire_workload import ONE_FUNCTION, FireWorkload
from ..hardware import Core
from ..knobs import Config, KnobSpace
from ..lowering.convolution import Convolution
from ..lowering.emit import LANES, ramp, zero
from ..microkernels import kernel, tiles
from .loopnest import Nest
from .padding import padded_plane
from .pixels import FlatTiling

NAME = ONE_FUNCTION
_MR = (4, 6, 8, 12)
_NR = (4, 8, 12, 16)
_RUN = 96  # pixels of a channel in a row: prefetchers need some lines to get going
_LARGE_MAP = 2000  # pixels: SqueezeNet's maps of 55x55 and 54x54
_BLOCKS = 10  # that divide well enough among four cores


def supports(workload: FireWorkload, core: Core) -> bool:
    """Whether the schedule computes `workload` on `core` at all."""
    return (
        workload.squeeze.is_pointwise
        and workload.expand1x1.is_pointwise
        and not workload.expand3x3.is_pointwise
        and all(part.groups == 1 for part in workload.parts)
        and len(space(workload, core)) > 0
    )


def pays(workload: FireWorkload, core: Core) -> bool:
    """Whether one function beats two (squeeze; both expanding ones), by what was measured.

    A module in L1 costs little beside its calls. Of larger ones those of large maps on 32-bit cores
    won, for the most part (docs/schedules.md has whole networks); in the others the pieces, each
    with tiles and blocks of its own. Every block reads all weights of the squeeze: they must keep
    their place in L2 beside what streams through it.
    """
    squeeze, expand = workload.squeeze, workload.expand1x1
    streams = 4 * squeeze.n * squeeze.pixels * (squeeze.ci + expand.co)
    if streams <= core.l1d_bytes:
        return True
    l2_bytes = hardware.board(core.usual_board).l2_bytes
    keeps_weights = 4 * squeeze.k * squeeze.co < l2_bytes // 4
    return core.isa == "armv7" and squeeze.pixels >= _LARGE_MAP and keeps_weights


def space(workload: FireWorkload, core: Core) -> KnobSpace:
    """The configs to choose from.

    Knobs: `nr`, pixels a tile; `mr_squeeze` and `mr_expand`, channels a tile of the two 1x1
    convolutions; `block`, tiles that are packed, squeezed and expanded together.
    """
    pixels = workload.squeeze.pixels

    def allowed(config: Config) -> bool:
        nr, block = int(config["nr"]), int(config["block"])
        return (
            nr <= pixels
            and (block == 1 or block <= -(-pixels // nr))
            and all(
                (mr, nr) in tiles(core) and (mr <= co or mr == 4)
                for mr, co in (
                    (int(config["mr_squeeze"]), workload.squeeze.co),
                    (int(config["mr_expand"]), workload.expand1x1.co),
                )
            )
        )

    return KnobSpace(
        {
            "nr": _NR,
            "mr_squeeze": _MR,
            "mr_expand": _MR,
            "block": (1, 2, 3, 4, 6, 8, 12, 16),
        },
        allowed,
    )


def default(workload: FireWorkload, core: Core) -> Config:
    """The hand-picked config."""

    def cost(config: Config) -> float:
        """Work on idle rows and columns, and loads beside it, as in `conv2d_gemm`."""
        nr, total = int(config["nr"]), 0.0
        for part, knob in ((workload.squeeze, "mr_squeeze"), (workload.expand1x1, "mr_expand")):
            mr = int(config[knob])
            rows, columns = -(-part.co // mr) * mr, -(-part.pixels // nr) * nr
            total += rows * columns * part.k * (1 + (mr + nr) / (mr * nr))
        return total

    best = min(space(workload, core), key=lambda config: (cost(config), str(config)))
    # Long runs of each channel's pixels, but enough blocks for all cores.
    nr, block = int(best["nr"]), 1
    while 2 * block * nr <= _RUN and -(-workload.squeeze.pixels // nr) >= _BLOCKS * 2 * block:
        block *= 2
    return {**best, "block": block}


@dataclass(frozen=True)
class FireNest:
    """The loop nest of squeeze and expanding 1x1, ahead of the 3x3.

    Attributes:
        squeeze, expand1x1, expand3x3: the convolutions, with one emitter.
        squeezed: flat buffer for the squeezed tensor in planes with the 3x3's border.
        core: what it is made for.
        config: a member of `space`.
    """

    squeeze: Convolution
    expand1x1: Convolution
    expand3x3: Convolution
    squeezed: tirx.Var
    core: Core
    config: Config

    def emit(self) -> None:
        """Emits all but the 3x3."""
        e, workload, nr = self.squeeze.e, self.squeeze.workload, int(self.config["nr"])
        tiling = FlatTiling(workload, nr)
        blocks = -(-tiling.count // int(self.config["block"]))
        block = -(-tiling.count // blocks)  # evenly
        total = workload.n * blocks
        expand = _Expand(
            self.expand1x1, kernel(self.core, int(self.config["mr_expand"]), nr), tiling, block
        )
        with e.loop(total, "block", ForKind.PARALLEL) as index:
            self._clear_borders(index, total)
            image = e.bind("image", tirx.floordiv(index, blocks))
            first = e.bind("first", tirx.floormod(index, blocks) * block)
            turns = block
            if tiling.count % block:
                turns = e.bind("turns", tirx.min(block, tiling.count - first))
            pixels = e.alloc("pixels", block * workload.ci * nr)
            panels = e.alloc("panels", block * workload.co * nr)
            self._pack(tiling, image, first, block, pixels)
            self._squeeze(tiling, image, first, turns, pixels, panels)
            expand.emit_block(image, first, turns, panels)

    def _clear_borders(self, index, total: int) -> None:
        """Zeros around the planes that turn `index` of `total` is to clear."""
        e, planes = self.squeeze.e, self.squeeze.workload.n * self.squeeze.workload.co
        with e.loop(-(-planes // total), "nth") as nth:
            plane = e.bind("plane", nth * total + index)
            if planes % total:
                with e.when(plane < planes):
                    self._clear_border(plane)
            else:
                self._clear_border(plane)

    def _clear_border(self, plane) -> None:
        e, workload = self.squeeze.e, self.expand3x3.workload
        top, left, bottom, right = workload.padding
        height, width = padded_plane(workload)
        start = e.bind("start", plane * (height * width))
        e.fill_zero(self.squeezed, start, top * width)
        if left + right:
            with e.loop(workload.h, "row") as row:
                at = start + (row + top) * width
                for column in (*range(left), *range(width - right, width)):
                    e.store(self.squeezed, at + column, zero())
        e.fill_zero(self.squeezed, start + (height - bottom) * width, bottom * width)

    def _pack(self, tiling: FlatTiling, image, first, block: int, pixels) -> None:
        """Copies the pixels of a block, channel after channel: long runs that are prefetched."""
        e, workload, nr = self.squeeze.e, self.squeeze.workload, tiling.nr
        origins = [tiling.origin(e, first + tile)[0] for tile in range(block)]
        with e.loop(workload.ci, "ci") as ci:
            plane = e.bind("plane", (image * workload.ci + ci) * workload.pixels)
            for tile, origin in enumerate(origins):
                for i in range(0, nr, LANES):
                    value = BufferLoad(self.squeeze.data, [ramp(plane + origin + i)])
                    e.store(pixels, ramp((tile * workload.ci + ci) * nr + i), value)

    def _squeeze(self, tiling: FlatTiling, image, first, turns, pixels, panels) -> None:
        conv, e, workload, nr = self.squeeze, self.squeeze.e, self.squeeze.workload, tiling.nr
        micro = kernel(self.core, int(self.config["mr_squeeze"]), nr)
        with (
            e.loop(-(-workload.co // micro.mr), "channel_tile") as channel_tile,
            e.loop(turns, "tile") as tile,
        ):
            (origin,) = tiling.origin(e, first + tile)
            accumulators = e.registers("accumulators", micro.mr * nr)
            micro.emit(
                conv,
                accumulators,
                weights=(conv.weight, channel_tile * (workload.k * micro.mr)),
                pixels=(pixels, tile * (workload.k * nr)),
                row_stride=nr,
                k=workload.k,
            )
            first_channel = e.bind("first_channel", channel_tile * micro.mr)
            whole = workload.co % micro.mr == 0

            def rows(body):
                for row in range(micro.mr):
                    if whole:
                        body(row, first_channel + row)
                    else:
                        with e.when(first_channel + row < workload.co):
                            body(row, first_channel + row)

            def finish(row, channel):
                conv.apply_epilogue(image, channel, origin, accumulators, row * nr, nr)
                for i in range(0, nr, LANES):
                    value = BufferLoad(accumulators, [ramp(row * nr + i)])
                    e.store(panels, ramp((tile * workload.co + channel) * nr + i), value)

            rows(finish)
            for i in range(0, nr, LANES):
                self._store_in_planes(image, origin + i, accumulators, i, rows)

    def _store_in_planes(self, image, pixel, accumulators, column: int, rows) -> None:
        """Stores four pixels of all rows of a tile; they may lie in two rows of the plane."""
        e, workload, nr = self.squeeze.e, self.squeeze.workload, int(self.config["nr"])
        height, width = padded_plane(self.expand3x3.workload)
        top, left, _, _ = self.expand3x3.workload.padding
        border = top * width + left
        gap = width - workload.w

        def place(at, channel):
            plane = (image * workload.co + channel) * (height * width)
            return plane + border + at

        y = e.bind("y", tirx.floordiv(pixel, workload.w))
        last = e.bind("last", tirx.floordiv(pixel + LANES - 1, workload.w))

        def vector(row, channel):
            value = BufferLoad(accumulators, [ramp(row * nr + column)])
            e.store(self.squeezed, ramp(place(pixel + y * gap, channel)), value)

        def elements(row, channel):
            for lane, at in enumerate(places):
                value = BufferLoad(accumulators, [row * nr + column + lane])
                e.store(self.squeezed, place(at, channel), value)

        with e.when(y == last):
            rows(vector)
        with e.when(y != last):
            places = [
                e.bind(f"at{lane}", pixel + lane + tirx.floordiv(pixel + lane, workload.w) * gap)
                for lane in range(LANES)
            ]
            rows(elements)


class _Expand(Nest):
    """The expanding 1x1, on panels that are there already."""

    def emit_block(self, image, first, turns, panels) -> None:
        for part in self._parts():
            self._compute_block(image, first, turns, panels, part, sums=None)
