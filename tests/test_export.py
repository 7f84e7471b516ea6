"""`tuner export`: a bundle runs on a board with TVM alone, and says what it is."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_end_to_end import tiny  # noqa: F401  registers the network

from schedules import competition, hardware
from schedules.hardware import Board
from tuner import cli, export, networks, tasks
from tuner.cli.export import export_verb
from tuner.errors import UserError
from tuner.networks import Network

FILES = ["README.md", "expected.npy", "input.npy", "manifest.json", "model.so", "run", "run.py"]


def _export(folder: Path, *options: str, target: str = "rk3288") -> str:
    command = ["tiny", "--target", target, "-o", str(folder), *options]
    return CliRunner().invoke(export_verb, command, catch_exceptions=False).output


def _run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a bundle's program where this project cannot be imported by accident."""
    program = [sys.executable, "-P" if sys.version_info >= (3, 11) else "-E", "run.py", *options]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.board
def test_a_bundle_runs_on_a_board_and_gives_the_right_output(board, tmp_path):
    shown = _export(tmp_path / "bundle", target=board.board.name)
    assert f"for {board.board.name}" in shown and "run.py" in shown
    assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == FILES
    address = ["--host", board.host, "--port", str(board.port)]
    ran = _run(tmp_path / "bundle", *address, "--check", "--output", "scores.npy")
    assert ran.returncode == 0, ran.stderr
    assert f"({board.board.name}, emulated, timing model v" in ran.stdout
    assert "right: off by" in ran.stdout
    assert np.load(tmp_path / "bundle" / "scores.npy").shape == (1, 10)

    # The check can fail.
    expected = np.load(tmp_path / "bundle" / "expected.npy")
    np.save(tmp_path / "bundle" / "expected.npy", expected[:, ::-1])
    ran = _run(tmp_path / "bundle", *address, "--check")
    assert ran.returncode == 1 and "WRONG: off by" in ran.stdout


@pytest.mark.board
def test_a_bundle_says_what_is_in_it(capsys, tmp_path):
    log = str(tmp_path / "log.jsonl")
    cli.main(["tiny", "--target", "rk3288", "--trials", "24", "--log", log, "--json"])
    tuned = json.loads(capsys.readouterr().out)["tuned"]
    shown = _export(tmp_path / "bundle", "--log", log, "--no-runner")
    assert not (tmp_path / "bundle" / "run").exists() and "./bundle/run" not in shown
    assert "configs of the log log.jsonl" in shown
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    library = (tmp_path / "bundle" / manifest["library"]).read_bytes()
    assert hashlib.sha256(library).hexdigest() == manifest["sha256"]
    assert manifest["input"]["shape"] == [1, 3, 19, 19]
    assert manifest["output"]["shape"] == [1, 10]
    assert len(manifest["configs"]["layers"]) == 6  # five convolutions, and a fire module
    assert manifest["configs"]["measured_s"] * 1e3 == pytest.approx(tuned["ms"])
    readme = (tmp_path / "bundle" / "README.md").read_text()
    assert "(emulated, timing model v" in readme and "Rockchip RK3288" in readme


def test_what_the_program_refuses(tmp_path):
    (tmp_path / "run.py").write_bytes(Path(export.__path__[0], "runner.py").read_bytes())
    shape = {"name": "data", "shape": [1, 3], "dtype": "float32"}
    manifest = {"library": "model.so", "input": shape, "versions": {"tvm": "0"}, "tolerance": 1}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    np.save(tmp_path / "input.npy", np.zeros((2, 2), np.float32))
    ran = _run(tmp_path)
    assert ran.returncode == 1
    assert "error: the input has the shape (2, 2), the network takes (1, 3)" in ran.stderr
    assert "built with TVM 0" in ran.stderr
    np.save(tmp_path / "input.npy", np.zeros((1, 3), np.float32))
    ran = _run(tmp_path, "--host", "127.0.0.1", "--port", "1")
    assert ran.returncode == 1 and "error: no TVM RPC server answers" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert _run(tmp_path, "--check", "--input", "x.npy").returncode == 2


def test_a_log_of_another_network_or_board_is_refused(tmp_path, squeezenet_log):
    board = hardware.board("rk3288")
    assert export.from_log(squeezenet_log, "squeezenet", board).configs
    for network, name in (("resnet18", "rk3288"), ("squeezenet", "rpi4")):
        with pytest.raises(UserError, match=f"no result of {network} on {name}.*--log"):
            export.from_log(squeezenet_log, network, hardware.board(name))


def _tiny() -> tuple[Network, Board, export.Choice]:
    network, board = networks.get("tiny"), hardware.board("rk3288")
    return network, board, export.shipped(network, board)


def test_without_a_log_a_bundle_has_what_any_build_takes():
    network, board = networks.get("squeezenet"), hardware.board("rk3288")
    configs = export.shipped(network, board).configs
    for task in tasks.extract(network.module):
        assert configs[task.workload.key] == competition.choice(task.workload, board.core)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write into .*-o"):
        export.write(tmp_path / "file" / "x", *_tiny())


def test_a_bundle_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    def build(network, board, configs, library):
        library.write_bytes(b"new")

    monkeypatch.setattr("tuner.network_run.build_scheduled", build)
    (tmp_path / "model.so").write_bytes(b"old")
    (tmp_path / "run.py.part").mkdir()  # in the way of the last file
    with pytest.raises(UserError, match="cannot write into"):
        export.write(tmp_path, *_tiny())
    assert (tmp_path / "model.so").read_bytes() == b"old"
