"""The RPC server outlives whatever clients and their code do."""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest
import tvm
from board_kernels import broken, session_with
from tvm import rpc

from tuner.board import build, launch

pytestmark = pytest.mark.board

RPC_MAGIC = 0xFF271


def assert_alive(board):
    with session_with(board, broken(board.board.core.isa)) as (_, module):
        assert module["add_one"](1) == 2


def test_crashing_kernel(board):
    with (
        session_with(board, broken(board.board.core.isa)) as (_, module),
        pytest.raises(tvm.error.RPCError, match="signal 11"),
    ):
        module["crash"]()
    assert_alive(board)


def test_endless_kernel_meets_the_time_limit(armv7_board):
    with (
        session_with(armv7_board, broken("armv7"), timeout_s=1) as (_, module),
        pytest.raises(tvm.error.RPCError, match="1s session has expired"),
    ):
        module["endless"]()
    assert_alive(armv7_board)


def test_a_client_that_names_no_limit_meets_the_servers(plain_server):
    """An hour unless `--session-limit` says otherwise."""
    qemu, program, port = plain_server
    usage = subprocess.run([qemu, program, "--help"], capture_output=True, text=True, check=True)
    assert "default 3600" in usage.stdout
    for function, matches in (("endless", "1s session has expired"), ("crash", "signal 11")):
        session = rpc.connect("127.0.0.1", port)
        session.upload(str(broken("armv7")))
        module = session.load_module(broken("armv7").name)
        with pytest.raises(tvm.error.RPCError, match=matches):
            module[function]()


@pytest.fixture
def plain_server():
    """(QEMU, server, port) of a server without the emulator, as on a real board."""
    qemu, program = launch.find_qemu("armv7"), build.server_binary("armv7")
    server = subprocess.Popen(
        [qemu, program, "--port", "0", "--session-limit", "1", "--silent"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield qemu, program, int(server.stdout.readline().rsplit(":", 1)[1])
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


def test_client_killed_during_a_call(armv7_board):
    wait_until(lambda: sessions_of(armv7_board) == 0)  # those of earlier tests
    script = f"""
from tvm import rpc
session = rpc.connect("127.0.0.1", {armv7_board.port})
session.upload("{broken("armv7")}")
module = session.load_module("{broken("armv7").name}")
print("calling", flush=True)
module["endless"]()
"""
    client = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    client.stdout.readline()
    assert sessions_of(armv7_board) == 1
    client.send_signal(signal.SIGKILL)
    client.wait()
    client.stdout.close()
    wait_until(lambda: sessions_of(armv7_board) == 0)
    assert_alive(armv7_board)


def test_forgotten_session_does_not_block_the_next(armv7_board):
    with session_with(armv7_board):
        assert_alive(armv7_board)


@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"\0" * 5000,
        struct.pack("<ii", RPC_MAGIC, 1 << 30),
        struct.pack("<ii", RPC_MAGIC, -1),
    ],
)
def test_garbage_is_hung_up_on(armv7_board, greeting):
    with socket.create_connection((armv7_board.host, armv7_board.port)) as peer:
        peer.settimeout(10)
        peer.sendall(greeting)
        with contextlib.suppress(ConnectionResetError):  # it hung up with our bytes unread
            assert peer.recv(1) == b""
    assert_alive(armv7_board)


def test_wrong_key_is_answered(armv7_board):
    key = b"client:somebody-else"
    with socket.create_connection((armv7_board.host, armv7_board.port)) as peer:
        peer.settimeout(10)
        peer.sendall(struct.pack("<ii", RPC_MAGIC, len(key)) + key)
        assert struct.unpack("<i", peer.recv(4)) == (RPC_MAGIC + 2,)


def test_silent_peer_is_hung_up_on(armv7_board):
    with socket.create_connection((armv7_board.host, armv7_board.port)) as peer:
        assert_alive(armv7_board)
        peer.settimeout(20)
        assert peer.recv(1) == b""


def sessions_of(board) -> int:
    """How many processes run in sessions of the board: groups of their own below the server."""
    listing = subprocess.run(
        ["ps", "-eo", "sid,pgid,stat"], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listing.stdout.splitlines()[1:]]
    server = str(board.pid)
    return sum(
        sid == server and pgid != server and not stat.startswith("Z") for sid, pgid, stat in rows
    )


def wait_until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
