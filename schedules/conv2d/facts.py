"""What the cost model is told about a loop nest: arithmetic on its tile sizes, no compiling."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..hardware import Core
from ..knobs import Config
from ..workload import Conv2dWorkload

CORES = 4  # of most boards: how evenly work divides, for the cost model and hand-picked configs
LARGE_OUTPUT = 512 << 10  # bytes: as much as the smallest L2 caches hold


@dataclass(frozen=True)
class NestShape:
    """The sizes of a `loopnest.Nest`.

    Attributes:
        mr, nr: register tile.
        pixel_tiles: tiles an image, a narrower last one not counted.
        covered: output pixels computed, overlaps counted twice.
        block: pixel tiles a block.
        over_channels: whether the cores share channels (else pixels).
        packed: whether pixels are packed.
        rows_a_tile: output rows that a pixel tile spans (at least; 0 for flattened tiles).
        parts: into how many parts K is cut.
    """

    mr: int
    nr: int
    pixel_tiles: int
    covered: int
    block: int
    over_channels: bool
    packed: bool
    rows_a_tile: int
    parts: int = 1

    @classmethod
    def of_flat_tiles(cls, workload: Conv2dWorkload, config: Config) -> NestShape:
        """Of a schedule over flattened pixels, by its knobs; some of them need not exist."""
        nr, tail = int(config["nr"]), int(config.get("tail", 0))
        pixel_tiles = workload.pixels // nr if tail else -(-workload.pixels // nr)
        if tail and workload.pixels % nr == 1:
            tail = 1  # it may be computed by itself
        return cls(
            mr=int(config["mr"]),
            nr=nr,
            pixel_tiles=pixel_tiles,
            covered=pixel_tiles * nr + tail,
            block=int(config["block"]),
            over_channels=config.get("share") == "channels",
            packed=config["panel"] == "packed",
            rows_a_tile=0,
            parts=int(config.get("parts", 1)),
        )

    def features(self, workload: Conv2dWorkload, core: Core) -> dict[str, float]:
        """By the names of `schedules.features.FACTS`; sizes in bytes, on a log2 scale."""
        k, mr, nr = workload.k // self.parts, self.mr, self.nr
        channel_tiles = -(-workload.co // mr)
        block = self.pixel_tiles if self.over_channels else self.block
        blocks = -(-self.pixel_tiles // block)
        work = channel_tiles if self.over_channels else blocks * workload.n
        panel, panels, weights = 4 * k * nr, 4 * k * nr * block, 4 * k * mr
        return {
            "log2_mr": math.log2(mr),
            "log2_nr": math.log2(nr),
            "log2_block": math.log2(block),
            "shares_channels": float(self.over_channels),
            "in_place": float(not self.packed),
            "rows_a_tile": float(self.rows_a_tile),
            "waste": self.covered * channel_tiles * mr / (workload.pixels * workload.co),
            "loads_per_fma": (mr + nr) / (mr * nr),
            "log2_panel_bytes": math.log2(panel),
            "log2_panels_bytes": math.log2(panels),
            "log2_weight_tile_bytes": math.log2(weights),
            "panels_in_l1": float(panels + weights <= core.l1d_bytes),
            "imbalance": -(-work // CORES) * CORES / work,
            "weight_passes": float(blocks),
        }
