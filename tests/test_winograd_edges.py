"""Winograd's narrower tiles at the edge of small maps: what they are, and that they are right."""

from __future__ import annotations

import pytest

import schedules
from schedules import Conv2dWorkload
from schedules.conv2d import winograd_edges
from schedules.conv2d.transforms import TILES
from schedules.hardware import core
from schedules.testing import Case, check_result

_TILE = TILES["4e"]
#   m, (H, W), channels, padding
SHAPES = [
    ("4e", (13, 13), (24, 20), (1, 1, 1, 1)),
    ("4e", (14, 14), (8, 17), (1, 1, 1, 1)),
    ("4e", (13, 14), (5, 8), (1, 1, 1, 1)),
    ("4e", (14, 13), (16, 8), (0, 1, 1, 0)),
    ("4e", (16, 13), (8, 8), (1, 1, 1, 1)),  # no lower edge
    ("4e", (13, 12), (8, 8), (1, 1, 1, 1)),  # none on the right
    ("4e", (12, 15), (8, 12), (0, 0, 0, 0)),
    ("4e", (5, 18), (8, 12), (1, 1, 1, 1)),  # one row of whole tiles
    ("4e", (18, 5), (8, 12), (1, 1, 1, 1)),
    ("4e", (11, 14), (8, 12), (1, 1, 1, 1)),  # whole tiles that overlap
    ("2e", (7, 7), (24, 20), (1, 1, 1, 1)),
    ("2e", (7, 9), (5, 8), (1, 1, 1, 1)),
    ("2e", (8, 7), (8, 17), (1, 1, 1, 1)),  # no lower edge
    ("2e", (7, 8), (8, 12), (1, 1, 1, 1)),  # none on the right
    ("2e", (3, 9), (8, 12), (1, 1, 1, 1)),  # one row of whole tiles
]


def _workload(size, channels, padding) -> Conv2dWorkload:
    return Conv2dWorkload(2, channels[0], *size, channels[1], 3, 3, padding=padding)


@pytest.mark.parametrize("core_name", ["cortex-a72", "cortex-a53", "cortex-a17"])
@pytest.mark.parametrize(("m", "size", "channels", "padding"), SHAPES)
def test_results(core_name, m, size, channels, padding):
    workload, the_core = _workload(size, channels, padding), core(core_name)
    space = schedules.get("conv2d_winograd").space(workload, the_core)
    edged = [config for config in space if config["m"] == m]
    for config in (edged[0], edged[-1]):
        check_result(Case(workload, "conv2d_winograd", config, the_core))


@pytest.mark.parametrize(("m", "size", "channels", "padding"), SHAPES)
def test_every_output_is_in_a_tile(m, size, channels, padding):
    workload = _workload(size, channels, padding)
    covered = set()
    for kind in winograd_edges.kinds(workload, TILES[m]):
        for row in range(kind.rows):
            for column in range(kind.columns):
                y = min(kind.row + row * kind.tile.rows, workload.oh - kind.tile.rows)
                x = min(kind.column + column * kind.tile.columns, workload.ow - kind.tile.columns)
                covered |= {
                    (y + i, x + j) for i in range(kind.tile.rows) for j in range(kind.tile.columns)
                }
    assert covered == {(y, x) for y in range(workload.oh) for x in range(workload.ow)}


def test_products_of_squeezenets_small_maps():
    workload = Conv2dWorkload(1, 64, 13, 13, 256, 3, 3, padding=(1, 1, 1, 1))
    kinds = winograd_edges.kinds(workload, _TILE)
    assert sum(kind.count * kind.tile.places for kind in kinds) == 441
    lanes = winograd_edges.places_by_width(workload, _TILE)
    assert sum(width * places for width, places in lanes.items()) == 468
    assert winograd_edges.pieces(16, 12) == [12, 4]


def test_products_of_resnets_smallest_maps():
    workload = Conv2dWorkload(1, 512, 7, 7, 512, 3, 3, padding=(1, 1, 1, 1))
    kinds = winograd_edges.kinds(workload, TILES["2e"])
    assert sum(kind.count * kind.tile.places for kind in kinds) == 225
    lanes = winograd_edges.places_by_width(workload, TILES["2e"])
    assert lanes == {16: 9, 12: 7}


@pytest.mark.parametrize(
    "size",
    [(12, 12), (15, 15), (16, 16), (56, 56), (3, 17), (17, 3), (2, 17), (17, 2)],
)
def test_maps_without_such_edges_with_too_many_tiles_or_lower_than_one(size):
    workload = Conv2dWorkload(1, 8, *size, 8, 3, 3, padding=(1, 1, 1, 1))
    space = schedules.get("conv2d_winograd").space(workload, core("cortex-a53"))
    assert not [config for config in space if config["m"] == "4e"]
