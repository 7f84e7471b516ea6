"""`python -m benchmarks fidelity` without the emulated runs: published rows, networks, identity."""

from __future__ import annotations

import json

import bench_command
import pytest

from benchmarks import fidelity
from benchmarks.peers import cpu_identity, ncnn_run, networks
from benchmarks.peers.ncnn_run import Inference
from schedules import hardware


def test_every_published_row_can_be_run():
    rows = fidelity.read_published()
    assert {row.network for row in rows} == set(networks.INPUT_SIZES)
    assert all(row.cycles > 50e6 and row.source and row.threads == 1 for row in rows)
    assert {row.used_for for row in rows} == {"fit", "check"}
    fitted = {row.board.core.name for row in rows if row.used_for == "fit"}
    assert fitted == {"cortex-a17", "cortex-a53", "cortex-a72"}


@pytest.mark.parametrize("network", networks.INPUT_SIZES)
def test_a_network_file_is_consistent(network):
    magic, counts, *lines = networks.param_text(network).splitlines()
    layers, blobs = map(int, counts.split())
    assert magic == "7767517" and layers == len(lines)
    written: list[str] = []
    for line in lines:
        _, _, input_count, output_count, *rest = line.split()
        inputs = rest[: int(input_count)]
        outputs = rest[int(input_count) : int(input_count) + int(output_count)]
        assert set(inputs) <= set(written), line
        written += outputs
    assert len(written) == len(set(written)) == blobs
    assert written[-1] == "prob"


@pytest.mark.parametrize("name", hardware.boards())
def test_a_board_names_its_own_processor(name, tmp_path):
    board = hardware.board(name)
    cpu_identity.write(board, tmp_path)
    text = (tmp_path / "proc/cpuinfo").read_text()
    assert text.count("processor\t:") == board.cores
    cpus = tmp_path / "sys/devices/system/cpu"
    assert (cpus / "online").read_text().strip() == f"0-{board.cores - 1}"
    l2 = (cpus / "cpu0/cache/index2/size").read_text().strip()
    assert l2 == f"{board.l2_bytes // 1024}K"


@pytest.fixture
def ten_percent_slow(monkeypatch, tmp_path):
    """Runs that take ten per cent longer than published."""
    cycles = {(row.board.name, row.network): row.cycles for row in fidelity.read_published()}
    monkeypatch.setattr(ncnn_run, "prepare", lambda board, progress: tmp_path)
    monkeypatch.setattr(
        ncnn_run,
        "run",
        lambda board, root, network: Inference(cycles[board.name, network] * 11 // 10, 1),
    )


def test_json_has_the_errors(capsys, ten_percent_slow):
    code, out, _ = bench_command.run(capsys, "fidelity", "--json", "--board", "cortex-a17")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert [row["network"] for row in rows] == ["squeezenet1.1", "mobilenet1.0", "resnet18"]
    for row in rows:
        assert row["board"] == "rk3288" and row["threads"] == 1
        assert row["error"] == pytest.approx(0.1, abs=1e-4)
        assert row["simulated_cycles"] > row["published_cycles"]


def test_the_table_names_the_model(capsys, ten_percent_slow):
    code, out, _ = bench_command.run(capsys, "fidelity")
    assert code == 0
    assert "(emulated, timing model v" in out
    assert "fit: median 10.0%, largest 10.0%" in out


def test_a_board_without_published_figures_is_refused(capsys):
    code, _, err = bench_command.run(capsys, "fidelity", "--board", "rk3388")
    assert code == 2
    assert err.count("\n") == 1 and "rk3288" in err
