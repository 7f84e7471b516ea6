"""Registration with TVM's tracker, as in a farm of boards."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
import tvm
from board_kernels import broken
from test_board_faults import wait_until
from tvm import rpc
from tvm.rpc import base

from tuner.board import build, launch
from tuner.board.session import close

pytestmark = pytest.mark.board
KEY = "test-board"


@contextmanager
def tracker(port: int):
    """TVM's tracker on `port`."""
    command = [sys.executable, "-m", "tvm.exec.rpc_tracker", "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--port-end", str(port + 1)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: reachable(port))
        yield
    finally:
        # It serves from a process of its own, which would stay behind.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def reachable(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def server(tracker_port: int):
    """Our server without the emulator: it takes QEMU for a real board."""
    command = [launch.find_qemu("armv7"), build.server_binary("armv7"), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--tracker", f"127.0.0.1:{tracker_port}", "--key", KEY],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        ready, _, _ = select.select([process.stdout], [], [], 10)
        assert ready and process.stdout.readline().startswith("listening on 127.0.0.1:")
        yield process
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_sessions_through_a_tracker():
    port = free_port()
    with tracker(port), server(port):
        client = rpc.connect_tracker("127.0.0.1", port)
        wait_until(lambda: client.summary()["queue_info"].get(KEY, {}).get("free") == 1)
        for function in ("add_one", "crash", "add_one"):
            session = client.request(KEY, session_timeout=30)
            session.upload(str(broken("armv7")))
            module = session.load_module(broken("armv7").name)
            # While a client has the board, the tracker must not offer it to others.
            assert client.summary()["queue_info"][KEY]["free"] == 0
            if function == "crash":
                with pytest.raises(tvm.error.RPCError, match="signal 11"):
                    module["crash"]()
            else:
                assert module["add_one"](1) == 2
                close(session)


def free_boards(port: int) -> int:
    """How many boards of our key the tracker has to give; none where one is just ending."""
    try:
        client = rpc.connect_tracker("127.0.0.1", port)
    except ConnectionError:
        return 0
    try:
        return client.summary()["queue_info"].get(KEY, {}).get("free", 0)
    finally:
        client.close()


def test_a_tracker_that_is_restarted_gets_the_board_back():
    port = free_port()
    with server(port):
        with tracker(port):
            wait_until(lambda: free_boards(port) == 1)
        with tracker(port):
            wait_until(lambda: free_boards(port) == 1)
            session = rpc.connect_tracker("127.0.0.1", port).request(KEY, session_timeout=30)
            assert session.listdir(".") == ""
            close(session)


def test_a_board_whose_client_never_came_is_offered_again():
    port = free_port()
    with tracker(port), server(port):
        wait_until(lambda: free_boards(port) == 1)
        client = rpc.connect_tracker("127.0.0.1", port)
        base.sendjson(client._sock, [base.TrackerCode.REQUEST, KEY, "", 1])
        code, (_, _, unused_key) = base.recvjson(client._sock)
        assert code == base.TrackerCode.SUCCESS
        client.close()
        wait_until(lambda: free_boards(port) == 1)
        session = rpc.connect_tracker("127.0.0.1", port).request(KEY, session_timeout=30)
        close(session)
        assert unused_key.startswith(f"{KEY}:")
