"""The main job, whole, on a tiny network: real code, real RPC, the emulated board."""

import json
import os

import pytest

from schedules import hardware
from tuner import cli, records
from tuner.board import launch
from tuner.networks import network
from tuner.networks.graph import Graph

pytestmark = pytest.mark.board


@network("tiny", title="Tiny, 19x19", input_shape=(1, 3, 19, 19))
def tiny(graph: Graph) -> None:
    """A stem, a squeeze, two expansions and a classifier: every kind of layer, small."""
    stem = graph.conv("data", "stem", 8, kernel=3, stride=2)
    pooled = graph.max_pool(stem, "pool", kernel=3, stride=2, ceil_mode=True)
    squeezed = graph.conv(pooled, "squeeze", 6, kernel=1)
    left = graph.conv(squeezed, "left", 12, kernel=1)
    right = graph.conv(squeezed, "right", 12, kernel=3, padding=1)
    joined = graph.concat((left, right), "joined")
    classes = graph.conv(joined, "classes", 10, kernel=1)
    graph.softmax(graph.global_average_pool(classes, "mean"), "prob")


@pytest.fixture(autouse=True)
def one_worker(monkeypatch):
    """Starting another process and another board would take longer than such a search."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def _tune(capsys, log, target="cortex-a17", trials=14, *options) -> tuple[dict, str]:
    """Return the JSON object that the command prints, and its standard error."""
    command = ["tiny", "--target", target, "--trials", str(trials), "--log", str(log), "--json"]
    cli.main([*command, *options])
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    return json.loads(captured.out), captured.err


@pytest.mark.parametrize("target", hardware.cores())
def test_every_core_is_tuned(capsys, tmp_path, target):
    log = tmp_path / "log.jsonl"
    result, shown = _tune(capsys, log, target)
    board = hardware.resolve(target)
    assert (result["network"], result["target"]) == ("tiny", target)
    assert (result["board"], result["emulated"]) == (board.name, True)
    assert (result["seed"], result["trials"], result["threads"]) == (0, 14, board.cores)
    for build in ("tvm_default", "hand_picked", "tuned"):
        assert result[build]["cycles"] > 0
        assert result[build]["ms"] == pytest.approx(
            result[build]["cycles"] / board.clock_hz * 1e3, rel=1e-9
        )
    assert f"(emulated, timing model v{result['model']})" in shown

    found = records.read(log)
    assert len(found) == 14
    for record in found:
        assert record.error is None, record.error
        assert record.cycles == round(record.cost_s * board.clock_hz)
        assert record.check["max_err"] <= record.check["bound"]

    begun, ended = records.read_runs(log)
    assert begun.builds is None and ended.network == "tiny"
    assert {name: build["cycles"] for name, build in ended.builds.items()} == {
        name: result[name]["cycles"] for name in ended.builds
    }
    # Every operator of the network is there; together they take about as long as the whole.
    names = " ".join(kernel.name for kernel in ended.kernels)
    assert all(part in names for part in ("conv2d", "max_pool2d", "softmax"))
    assert sum(kernel.count for kernel in ended.kernels) >= 6  # its fire module is one
    sum_s = sum(kernel.cost_s * kernel.count for kernel in ended.kernels)
    assert 0.5 < sum_s / ended.builds["tuned"]["cost_s"] < 2


def test_the_same_seed_gives_the_same_cycles_and_a_log_spares_the_work(capsys, tmp_path):
    first, _ = _tune(capsys, tmp_path / "first.jsonl")
    assert _tune(capsys, tmp_path / "second.jsonl")[0] == first
    cycles = [
        {record.key: record.cycles for record in records.read(tmp_path / f"{name}.jsonl")}
        for name in ("first", "second")
    ]
    assert cycles[0] == cycles[1]

    size = (tmp_path / "first.jsonl").stat().st_size
    assert _tune(capsys, tmp_path / "first.jsonl")[0] == first
    assert (tmp_path / "first.jsonl").stat().st_size == size

    options = ("cortex-a17", 14, "--no-default")
    without, shown = _tune(capsys, tmp_path / "first.jsonl", *options)
    assert {**without, "tvm_default": first["tvm_default"]} == first
    assert "tvm_default" not in without and "TVM's default" not in shown
    cli.main(["report", str(tmp_path / "first.jsonl")])
    assert "TVM's default" not in (tmp_path / "first.html").read_text(encoding="utf-8")


def test_fewer_threads_take_more_cycles(capsys, tmp_path):
    log = tmp_path / "log.jsonl"
    one, _ = _tune(capsys, log, "cortex-a17", 5, "--threads", "1")
    four, _ = _tune(capsys, log, "cortex-a17", 5, "--threads", "4")
    assert (one["threads"], four["threads"]) == (1, 4)
    assert one["tuned"]["cycles"] > four["tuned"]["cycles"]
    # The two do not share results: a time on one thread says nothing about four.
    assert len(records.read(log)) == 10


def test_a_served_board_gives_the_same_cycles(capsys, tmp_path):
    local, _ = _tune(capsys, tmp_path / "local.jsonl", "cortex-a17", 5)
    with launch.EmulatedBoard(hardware.board("rk3288")) as board:
        address = ["--host", board.host, "--port", str(board.port)]
        remote, _ = _tune(capsys, tmp_path / "remote.jsonl", "rk3288", 5, *address)
    assert {**remote, "target": "cortex-a17"} == local
