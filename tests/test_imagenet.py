"""`python -m benchmarks imagenet` and its old name."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import bench_command
import numpy as np
import pytest

from benchmarks import builds, imagenet
from tuner import networks
from tuner.board.emulator import params

_ARGUMENTS = ("imagenet", "--model", "squeezenet", "--target", "rk3288")


@pytest.fixture
def runs(monkeypatch):
    """Runs of 100 ms; `runs.yardstick` is what the fixed piece of work takes, run after run."""
    network = bench_command.small_network("squeezenet")
    monkeypatch.setattr(networks, "get", lambda name: network)
    exact = network.reference(network.random_input()).astype(np.float32)

    @contextmanager
    def session(endpoint, timeout_s):
        yield

    @contextmanager
    def boards(board, host, port, threads, wanted):
        yield [bench_command.NoBoard(board, threads)]

    class Runs:
        yardstick = (1e-3, 1e-3)

    left = []

    def run(remote, library, data, number, measurements, pause_s, bar):
        if library.name == "yardstick.so":
            left[:] = left or Runs.yardstick
            return [left.pop(0)], np.zeros(1)
        return [0.1 + 0.01 * i for i in range(measurements)], exact

    monkeypatch.setattr(imagenet, "open_boards", boards)
    monkeypatch.setattr(imagenet, "session", session)
    monkeypatch.setattr(imagenet, "describe", bench_command.describe)
    monkeypatch.setattr(imagenet, "_run", run)
    monkeypatch.setattr(builds, "build", lambda *_: None)
    return Runs


def test_three_measurements_and_their_mean(capsys, runs):
    code, out, _ = bench_command.run(capsys, *_ARGUMENTS, "--json")
    document = json.loads(out)
    assert code == 0 and document["emulated"]
    (row,) = document["rows"]
    assert row["ms"] == pytest.approx([100, 110, 120]) and row["mean_ms"] == pytest.approx(110)
    assert row["error"] < 1e-4 and row["clock_change"] == 0


def test_the_table_is_labelled(capsys, runs):
    code, out, _ = bench_command.run(capsys, *_ARGUMENTS)
    label = f"(emulated, timing model v{params.MODEL_VERSION})"
    assert code == 0 and label in out and "steady" in out


def test_a_clock_that_changes_is_said_so(capsys, runs):
    runs.yardstick = (1e-3, 1.2e-3)
    code, out, _ = bench_command.run(capsys, *_ARGUMENTS)
    assert code == 0 and "changed: +20%" in out and "The clock of the board changed" in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--model", "lenet"), "unknown network 'lenet'"),
        (("--model", "squeezenet", "--host", "10.0.0.2"), "--port is missing"),
        (("--model", "squeezenet", "--threads", "9"), "too few for 9 threads"),
        (
            ("--model", "squeezenet", "--host", "h", "--port", "9090", "--threads", "2"),
            "--threads is for the emulated board",
        ),
    ],
)
def test_a_slip_is_one_line(capsys, arguments, message):
    code, out, err = bench_command.run(capsys, "imagenet", *arguments)
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and message in err


def test_the_old_script_takes_the_same_options(tmp_path):
    script = Path(imagenet.__file__).with_name("rasp_imagenet_bench.py")
    command = [sys.executable, str(script), "--model", "lenet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("error: unknown network 'lenet'")
