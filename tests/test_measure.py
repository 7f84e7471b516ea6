"""Building, reaching boards and running: what goes wrong is said in plain words."""

import contextlib
import dataclasses
import socket
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest
from tvm.rpc.server import Server

from schedules import Conv2dWorkload, hardware
from tuner.board import launch
from tuner.errors import UserError
from tuner.measure import Measurer, RemoteBoard, Trial, boards, checker, describe, emulated_info
from tuner.measure.builder import Builder
from tuner.measure.errors import TrialError
from tuner.search import Candidate, Space
from tuner.tasks import Task

_WORKLOAD = Conv2dWorkload(1, 8, 7, 7, 12, 3, 3, padding=(1, 1, 1, 1))
_TASK = Task(_WORKLOAD, ("layer",), ("bias", "relu"))


@contextlib.contextmanager
def _peer(answer: bytes, hangs_up: bool):
    """A server that is none of TVM's: says `answer` to whoever connects; yields its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        accepted = []

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.sendall(answer)
                    if hangs_up:
                        connection.close()
                    accepted.append(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        for connection in accepted:
            connection.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_peer_that_is_no_rpc_server(answer):
    with (
        _peer(answer, hangs_up=True) as port,
        pytest.raises(UserError, match="not a TVM RPC server"),
    ):
        RemoteBoard("127.0.0.1", port).connect(5)


def test_a_peer_that_is_silent(monkeypatch):
    monkeypatch.setattr(boards, "_HANDSHAKE_TIMEOUT_S", 0.2)
    with _peer(b"", hangs_up=False) as port, pytest.raises(UserError, match="does not answer"):
        RemoteBoard("127.0.0.1", port).connect(5)


def test_a_host_that_does_not_exist():
    with pytest.raises(UserError, match=r"no board answers at no-such-host\.invalid:9090"):
        RemoteBoard("no-such-host.invalid", 9090).connect(5)


def test_a_stock_server_is_a_real_board_of_unknown_clock():
    server = Server(host="127.0.0.1", port=9500, port_end=9600, silent=True)
    try:
        info = describe(RemoteBoard("127.0.0.1", server.port), hardware.board("rk3288"))
    finally:
        server.terminate()
    assert not info.emulated
    assert info.cycles(0.5) is None
    assert info.label == "(rk3288)"


def test_what_does_not_compile_is_a_build_error(tmp_path):
    builder = Builder("cortex-a17", workers=1)
    try:
        with pytest.raises(TrialError, match="no_such_schedule") as raised:
            builder.build(_WORKLOAD, "no_such_schedule", {}, (), tmp_path / "library.so")
    finally:
        builder.close()
    assert raised.value.kind == "build"


def test_workers_that_do_not_start_are_not_a_fault_of_the_candidates(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(UserError, match="do not start"):
        Builder("cortex-a17", workers=1)


_OWNER = """
import os, time
from tuner.measure.builder import Builder
builder = Builder("cortex-a17", workers=1)
print(builder._pool.submit(os.getpid).result(), flush=True)
builder._pool.submit(time.sleep, 120)
input()
"""


def test_workers_end_with_a_tuner_that_is_killed_in_the_middle_of_a_build():
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        worker = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    _, alive = psutil.wait_procs([worker], timeout=30)
    assert not alive


@pytest.mark.board
@pytest.mark.parametrize("threads", [None, 2])
def test_what_an_emulated_board_says_is_known_without_it(threads):
    board = hardware.board("rk3288")
    with launch.EmulatedBoard(board, threads=threads) as endpoint:
        assert describe(endpoint, board) == emulated_info(board, threads)


@pytest.mark.board
def test_another_core_than_the_one_to_tune_for():
    with (
        launch.EmulatedBoard(hardware.board("rk3288")) as board,
        pytest.raises(UserError, match="use --target rk3288"),
    ):
        describe(board, hardware.board("rpi4"))


@pytest.mark.board
def test_another_board_than_the_one_to_tune_for():
    rpi4 = hardware.board("rpi4")
    with launch.EmulatedBoard(hardware.board("rk3399")) as board:
        with pytest.raises(UserError, match=r"not a rpi4; use --target rk3399"):
            describe(board, rpi4, any_of_core=False)
        assert describe(board, rpi4).name == "rk3399"


@pytest.mark.board
def test_a_wrong_answer_is_an_error_without_a_time(monkeypatch):
    """The board computes rightly, but not what the reference says."""
    right = checker.problem(_WORKLOAD, _TASK.epilogue)
    shifted = dataclasses.replace(right, expected=right.expected + 1)
    monkeypatch.setattr(checker, "problem", lambda *_: shifted)
    (outcome,) = _measure([_first_candidate()])
    assert outcome.error["kind"] == "wrong answer"
    assert outcome.costs_s == ()


@pytest.mark.board
def test_the_time_does_not_depend_on_what_ran_before():
    candidate = _first_candidate()
    outcomes = _measure([candidate] * 4)
    assert len({outcome.costs_s for outcome in outcomes}) == 1
    assert all(outcome.error is None for outcome in outcomes)
    assert np.isfinite(outcomes[0].check["max_err"])


def _first_candidate() -> Candidate:
    return Space(_WORKLOAD, hardware.core("cortex-a17")).defaults()[0]


def _measure(candidates):
    trials = [Trial(index, _TASK, candidate) for index, candidate in enumerate(candidates)]
    with (
        launch.EmulatedBoard(hardware.board("rk3288")) as board,
        Measurer("cortex-a17", [board, board], workers=2) as measurer,
    ):
        return [outcome for _, outcome in measurer.measure(trials)]
