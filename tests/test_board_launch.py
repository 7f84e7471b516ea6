"""Starting and stopping boards: several at once, clashes, and no process left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest
from board_kernels import broken, session_with
from test_board_faults import wait_until

from schedules import hardware
from tuner.board import build, launch, scratch
from tuner.board.launch import EmulatedBoard
from tuner.board.session import describe
from tuner.errors import UserError


def test_missing_qemu(monkeypatch, tmp_path):
    monkeypatch.setenv("TVM_ARM_QEMU_DIR", str(tmp_path))
    with pytest.raises(UserError) as caught:
        EmulatedBoard(hardware.board("rk3288"))
    assert "qemu-arm is not in TVM_ARM_QEMU_DIR" in caught.value.message
    assert caught.value.fix == "apt-get install qemu-user, or unset TVM_ARM_QEMU_DIR"


@pytest.mark.board
def test_a_host_that_is_no_address():
    with pytest.raises(UserError, match="'foo'") as caught:
        launch.EmulatedBoard(hardware.board("rk3288"), host="foo")
    assert caught.value.fix.startswith("choose another --host")


@pytest.mark.board
def test_only_its_own_client_rehearses_with_a_board(monkeypatch):
    def stranger(port, library):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")

    monkeypatch.setattr(launch.rehearsal, "rehearse", stranger)
    with pytest.raises(UserError, match="did not start: the rehearsal failed: a stranger came"):
        EmulatedBoard(hardware.board("rk3288"))


def processes_of(pid: int) -> int:
    """Living processes of the board that started as `pid`."""
    listing = subprocess.run(["ps", "-eo", "sid,stat"], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listing.stdout.splitlines()[1:]]
    return sum(sid == str(pid) and not stat.startswith("Z") for sid, stat in rows)


@pytest.mark.board
def test_several_boards_at_once():
    names = ["rk3288", "rk3288", "rasp3b-64"]
    boards = [EmulatedBoard(hardware.board(name)) for name in names]
    try:
        assert len({board.port for board in boards}) == len(boards)
        for board, name in zip(boards, names, strict=True):
            with session_with(board) as (session, _):
                assert describe(session)["board"] == name
    finally:
        for board in boards:
            board.stop()
    assert [processes_of(board.pid) for board in boards] == [0, 0, 0]


@pytest.mark.board
def test_port_in_use():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port}: Address already in use") as caught:
            EmulatedBoard(hardware.board("rk3288"), port=port)
    assert "--port" in caught.value.fix


@pytest.mark.board
def test_stop_ends_running_sessions_and_removes_files():
    board = EmulatedBoard(hardware.board("rk3288"))
    session = board.connect(timeout_s=30)
    session.upload(str(broken("armv7")))
    assert processes_of(board.pid) == 3  # listener, supervisor, session
    board.stop()
    assert processes_of(board.pid) == 0
    assert not board.folder.exists()
    with pytest.raises(UserError, match="has stopped"):
        board.connect()
    board.stop()  # again: nothing happens


@pytest.mark.board
def test_board_ends_with_a_killed_parent(monkeypatch, armv7_board):
    script = """
from schedules import hardware
from tuner.board.launch import EmulatedBoard
import time
board = EmulatedBoard(hardware.board("rk3288"))
session = board.connect(timeout_s=60)
print(board.pid, board.folder, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid, folder = parent.stdout.readline().split()
    assert processes_of(int(pid)) == 3
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: processes_of(int(pid)) == 0)
    assert [name for name in os.listdir(folder) if name.startswith("tvm_rpc_")] == [
        "tvm_rpc_server"
    ]  # sessions' folders are gone
    monkeypatch.setattr(scratch, "_SURELY_LOCKED_S", 0)
    scratch.ScratchFolder().remove()  # the next start removes what the dead one left
    assert not os.path.exists(folder)
    assert armv7_board.folder.exists()


@pytest.mark.board
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--port", "70000"], "--port takes a number from 0 to 65535, not '70000'"),
        (["--host", "localhost"], "--host takes a numeric IPv4 address"),
        (["--frobnicate", "1"], "unknown option --frobnicate"),
        (["--port"], "--port needs a value"),
        (["--tracker", "127.0.0.1:9190"], "--tracker needs --key"),
        (["--key", 'a"b'], "--key may hold letters, digits"),
    ],
)
def test_bad_options(arguments, message):
    qemu = launch.find_qemu("armv7")
    result = subprocess.run(
        [qemu, build.server_binary("armv7"), *arguments], capture_output=True, text=True, timeout=20
    )
    assert result.returncode == 2
    assert message in result.stderr


@pytest.mark.board
@pytest.mark.parametrize("host, warns", [("127.0.0.1", False), ("0.0.0.0", True)])
def test_a_server_open_to_the_network_says_so(host, warns):
    server = subprocess.Popen(
        [launch.find_qemu("armv7"), build.server_binary("armv7"), "--port", "0", "--host", host],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout.readline().startswith(f"listening on {host}:")
    server.terminate()
    _, log = server.communicate(timeout=20)
    assert ("RPC runs any code it is sent" in log) == warns
