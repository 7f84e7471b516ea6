"""Winograd where weights come from memory: batches of channels, and which tiles are picked."""

from __future__ import annotations

import pytest

import schedules
from schedules import Conv2dWorkload, selection
from schedules.conv2d.winograd_nest import WinogradNest
from schedules.hardware import core, cores
from schedules.testing import Case, check_result

# A block of it leaves a Cortex-A53's L2; ten tiles of twelve channels are batches of 3, 3, 3 and 1.
_DEEP = Conv2dWorkload(1, 512, 7, 7, 116, 3, 3, padding=(1, 1, 1, 1))
_RESNETS_LAST = Conv2dWorkload(1, 512, 7, 7, 512, 3, 3, padding=(1, 1, 1, 1))


@pytest.mark.parametrize("share", ["pixels", "channels"])
@pytest.mark.parametrize(("m", "block"), [(2, 2), ("2x4", 1)])
def test_batches_of_channels(share, m, block, monkeypatch):
    batches = []
    tiles_together = WinogradNest._tiles_together

    def noted(nest, the_core):
        batches.append(tiles_together(nest, the_core))
        return batches[-1]

    monkeypatch.setattr(WinogradNest, "_tiles_together", noted)
    config = {"m": m, "mr": 12, "nr": 8, "block": block, "share": share}
    check_result(Case(_DEEP, "conv2d_winograd", config, core("cortex-a53")))
    assert set(batches) == {3}


@pytest.mark.parametrize(
    ("core_name", "alone"), [("cortex-a53", "2x4"), ("cortex-a17", "2x4"), ("cortex-a72", "2e")]
)
def test_one_thread_has_memory_for_itself(core_name, alone):
    with schedules.using({}):
        picked = {
            threads: selection.choose(_RESNETS_LAST, core(core_name), threads) for threads in (1, 4)
        }
    assert {threads: config["m"] for threads, (_, config) in picked.items()} == {1: alone, 4: "2e"}


@pytest.mark.parametrize("core_name", cores())
def test_larger_maps_have_the_tiles_with_the_fewest_products(core_name):
    schedule, the_core = schedules.get("conv2d_winograd"), core(core_name)
    workload = Conv2dWorkload(1, 64, 56, 56, 64, 3, 3, padding=(1, 1, 1, 1))
    for pick in (schedule.default, schedule.default_for_one):
        assert pick(workload, the_core)["m"] == 4
