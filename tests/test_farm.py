"""Boards of a farm: `serve --tracker`, `doctor --tracker`, with TVM's own tracker."""

from __future__ import annotations

import select
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from board_kernels import matmul, matmul_arrays, on_board, session_with
from test_board_faults import wait_until
from test_board_tracker import free_port, tracker
from tvm import rpc

from schedules import hardware
from tuner import cli
from tuner.board import launch
from tuner.board.session import close, counters
from tuner.errors import UserError
from tuner.measure import TrackedBoard

KEY = "farm-board"


def run_cli(capsys, *arguments) -> tuple[int, list[str], str]:
    """Exit code, lines of standard output, standard error."""
    code = 0
    try:
        cli.main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err


@contextmanager
def serving(target: str, port: int):
    """`python -m tuner serve` as a process, once it says that it serves."""
    options = ["--tracker", f"127.0.0.1:{port}", "--key", KEY]
    process = subprocess.Popen(
        [sys.executable, "-m", "tuner", "serve", target, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready and f"as {KEY} of the tracker" in process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def wait_for_boards(port: int, count: int) -> None:
    """A board registers some moments after it listens."""
    client = rpc.connect_tracker("127.0.0.1", port)
    wait_until(lambda: len(client.summary()["server_info"]) == count)
    client.close()


def test_no_tracker(capsys):
    address = f"127.0.0.1:{free_port()}"
    command = ["serve", "rk3288", "--tracker", address, "--key", KEY]
    code, out, err = run_cli(capsys, *command)
    assert (code, out) == (2, [])
    assert f"no TVM RPC tracker at {address}: Connection refused" in err
    assert err.count("\n") == 1


def test_a_tracker_elsewhere_cannot_reach_a_local_board():
    with pytest.raises(UserError, match="add --host"):
        launch.Registration("192.0.2.1", 9190, KEY).options("127.0.0.1")


def test_a_tracker_without_a_name():
    with pytest.raises(UserError, match=r"no-such-host\.invalid has no IPv4 address"):
        launch.Registration("no-such-host.invalid", 9190, KEY).options("127.0.0.1")


def test_a_tracker_without_the_key(capsys):
    port = free_port()
    with tracker(port):
        address = f"127.0.0.1:{port}"
        code, out, _ = run_cli(
            capsys, "doctor", "--target", "rk3288", "--tracker", address, "--key", KEY
        )
    assert code == 2
    assert out[-1].startswith("FAIL  tracker: ")
    assert f"no board of the key '{KEY}'; it has: none" in out[-1]
    assert f"python -m tuner serve BOARD --tracker {address} --key {KEY}" in out[-1]


@pytest.mark.board
def test_two_boards_of_a_farm(capsys):
    port = free_port()
    with tracker(port), serving("rk3288", port), serving("rk3288", port):
        wait_for_boards(port, 2)
        farm = TrackedBoard("127.0.0.1", port, KEY)
        assert farm.count() == 2
        first, second = farm.connect(30), farm.connect(30)  # side by side: one on each
        first.upload(bytearray(b"data"), "file")
        assert ("file" in first.listdir("."), "file" in second.listdir(".")) == (True, False)
        close(first)
        close(second)

        address = ["--tracker", farm.address, "--key", KEY]
        code, out, _ = run_cli(capsys, "doctor", "--target", "cortex-a17", *address)
        assert code == 0
        assert all(line.startswith("ok ") for line in out)
        assert any("2 boards of the key" in line for line in out)

        code, out, _ = run_cli(capsys, "doctor", "--target", "rasp3b-64", *address)
        assert code == 2
        assert (
            "FAIL  RPC answers: the board is a rk3288 with a cortex-a17, not a rasp3b-64" in out[-1]
        )


@pytest.mark.board
def test_registration_does_not_change_cycles(armv7_board):
    a, b, expected = matmul_arrays()
    port, cycles = free_port(), []
    registration = launch.Registration("127.0.0.1", port, KEY)
    with (
        tracker(port),
        launch.EmulatedBoard(hardware.board("rk3288"), registration=registration) as registered,
    ):
        wait_for_boards(port, 1)
        farm = TrackedBoard("127.0.0.1", port, KEY)
        for endpoint in (armv7_board, farm):
            with session_with(endpoint, matmul("armv7")) as (session, module):
                tensors = on_board(session, a, b, np.zeros(expected.shape, "float32"))
                module.time_evaluator("main", session.cpu(0))(*tensors)
                cycles.append(counters(session)["cycles"])
        assert registered.running
    assert cycles[0] == cycles[1] > 0
