"""`python -m benchmarks threads`, without the emulated runs."""

from __future__ import annotations

import json

import bench_command
import numpy as np
import pytest

from benchmarks import builds, threads
from schedules import hardware
from tuner import networks


def test_published_rows_name_our_boards_and_networks():
    rows = threads.read_published()
    assert {row.board for row in rows} <= set(hardware.boards())
    assert {row.network for row in rows} <= set(networks.names())
    assert all(row.latency_ms > 10 and row.source and row.system for row in rows)
    # The write-up that this project starts from: two boards, three networks, four cores.
    first = [row for row in rows if row.system.startswith("NNVM+TVM")]
    assert len(first) == 6 and {row.threads for row in first} == {4}


@pytest.mark.parametrize("name, expected", [("rk3288", [1, 2, 4]), ("rpi4", [1, 2, 4])])
def test_all_powers_of_two_up_to_the_cores(name, expected):
    assert threads.counts(hardware.board(name)) == expected


@pytest.fixture
def half_parallel(monkeypatch):
    """Runs of which one half is shared by the cores: 100 ms with one."""
    network = bench_command.small_network("squeezenet")
    monkeypatch.setattr(networks, "get", lambda name: network)
    exact = network.reference(network.random_input()).astype(np.float32)
    monkeypatch.setattr(threads.launch, "EmulatedBoard", bench_command.NoBoard)
    monkeypatch.setattr(threads, "describe", bench_command.describe)
    monkeypatch.setattr(builds, "build", lambda *_: None)
    monkeypatch.setattr(
        threads.network_run,
        "run_build",
        lambda emulated, *_: threads.network_run._Timed(0.05 + 0.05 / emulated.threads, exact, ()),
    )


_ARGUMENTS = ("threads", "--network", "squeezenet", "--target", "rk3288")


def test_json_has_the_speedup_and_published_rows(capsys, half_parallel):
    code, out, _ = bench_command.run(capsys, *_ARGUMENTS, "--json")
    document = json.loads(out)
    assert code == 0 and document["command"].startswith("python -m benchmarks threads")
    one, two, four = document["rows"]
    assert (one["speedup"], two["speedup"], four["speedup"]) == (1, 1.333, 1.6)
    assert four["cycles"] == round(0.0625 * hardware.board("rk3288").clock_hz)
    write_up = next(each for each in four["published"] if "NNVM" in each["system"])
    assert write_up["published_over_ours"] == round(77 / 62.5, 3)


def test_the_table_tells_real_from_emulated(capsys, half_parallel):
    code, out, _ = bench_command.run(capsys, *_ARGUMENTS)
    assert code == 0
    assert "(emulated, timing model v" in out and "measured on real boards" in out
