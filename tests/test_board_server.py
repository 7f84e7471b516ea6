"""The RPC server: files, kernels, networks, as any TVM client uses them."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from board_kernels import (
    broken,
    matmul,
    matmul_arrays,
    needs_frobnicate,
    network,
    network_expected,
    network_weights,
    on_board,
    session_with,
    soft_float_matmul,
)
from tvm import relax

from schedules import hardware
from tuner.board.launch import EmulatedBoard
from tuner.board.session import describe

pytestmark = pytest.mark.board


def test_describe(board):
    with session_with(board) as (session, _):
        facts = describe(session)
    expected = board.board
    assert facts["emulated"] is True
    assert facts["time_evaluator"] == "model time, one timed run"
    assert facts["model"] >= 1
    assert facts["board"] == expected.name
    assert facts["core"] == expected.core.name
    assert facts["isa"] == expected.core.isa
    assert facts["clock_hz"] == expected.clock_hz
    assert facts["cores"] == facts["threads"] == expected.cores


def test_files_come_and_go(board):
    data = bytes(range(256)) * 5000  # more than any buffer between us
    with session_with(board) as (session, _):
        session.upload(bytearray(data), "folder.bin")
        session.upload(bytearray(b"short"), "short.bin")
        assert session.listdir(".") == "folder.bin,short.bin"
        assert bytes(session.download("folder.bin")) == data
        session.remove("folder.bin")
        assert session.listdir(".") == "short.bin"
    with session_with(board) as (session, _):
        assert session.listdir(".") == ""  # nothing is left for the next session


@pytest.mark.parametrize("name", ["../escape", "/tmp/escape", "a/../../escape", ".."])
@pytest.mark.parametrize("do", ["upload", "download", "remove", "listdir", "load_module"])
def test_paths_stay_in_the_session_folder(armv7_board, do, name):
    with session_with(armv7_board) as (session, _):
        arguments = [bytearray(b"x"), name] if do == "upload" else [name]
        with pytest.raises(tvm.error.RPCError, match="leads out of the session folder"):
            getattr(session, do)(*arguments)


def test_kernel_computes_right(board):
    a, b, expected = matmul_arrays()
    with session_with(board, matmul(board.board.core.isa)) as (session, module):
        device_a, device_b, out = on_board(session, a, b, np.zeros(expected.shape, "float32"))
        module["main"](device_a, device_b, out)
        np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
def test_kernel_computes_right_with_any_number_of_threads(threads):
    a, b, expected = matmul_arrays()
    with (
        EmulatedBoard(hardware.board("rk3288"), threads=threads) as board,
        session_with(board, matmul("armv7")) as (session, module),
    ):
        assert describe(session)["threads"] == threads
        device_a, device_b, out = on_board(session, a, b, np.zeros(expected.shape, "float32"))
        module["main"](device_a, device_b, out)
        np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)


def test_64_bit_integers_pass(board):
    with session_with(board, broken(board.board.core.isa)) as (_, module):
        assert module["add_one"](2**40) == 2**40 + 1


def test_network_over_rpc(board):
    _, data = network_weights()
    with session_with(board, network(board.board.core.isa)) as (session, module):
        machine = relax.VirtualMachine(module, session.cpu(0))
        (on_device,) = on_board(session, data)
        direct = machine["main"](on_device).numpy()
        machine.set_input("main", on_device)
        machine.invoke_stateful("main")
        stateful = machine.get_outputs("main").numpy()
    np.testing.assert_allclose(direct, network_expected(), atol=1e-5)
    np.testing.assert_array_equal(stateful, direct)


def test_memory_is_given_back(armv7_board):
    """A gigabyte in pieces goes through a board that offers less at once."""
    with session_with(armv7_board) as (session, _):
        for _ in range(20):
            tvm.runtime.empty((64 << 20,), "uint8", session.cpu(0))


def test_too_large_a_tensor_is_an_error_of_the_client(armv7_board):
    with session_with(armv7_board) as (session, _):
        with pytest.raises(tvm.error.RPCError, match="out of memory"):
            tvm.runtime.empty((1 << 31,), "uint8", session.cpu(0))
        assert session.listdir(".") == ""


def load_error(board, library) -> str:
    """What the client is told when `library` is loaded; the session must survive it."""
    with session_with(board) as (session, _):
        session.upload(str(library))
        with pytest.raises(tvm.error.RPCError) as caught:
            session.load_module(library.name)
        assert session.listdir(".") == library.name
    return str(caught.value)


def test_library_of_another_machine(board):
    other = {"armv7": "aarch64", "aarch64": "armv7"}[board.board.core.isa]
    assert "compiled for another machine" in load_error(board, broken(other))


def test_library_for_soft_float(armv7_board):
    assert '"mfloat-abi": "hard"' in load_error(armv7_board, soft_float_matmul())


def test_library_with_a_missing_symbol(board):
    message = load_error(board, needs_frobnicate(board.board.core.isa))
    assert "needs the symbol frobnicate" in message


def test_file_that_is_no_library(armv7_board, tmp_path):
    text = tmp_path / "text.so"
    text.write_text("hello")
    assert "not an ELF file" in load_error(armv7_board, text)
    cut = tmp_path / "cut.so"
    cut.write_bytes(matmul("armv7").read_bytes()[:3000])
    assert "cannot load cut.so" in load_error(armv7_board, cut)


def test_missing_file_and_function(armv7_board):
    with session_with(armv7_board, broken("armv7")) as (session, module):
        with pytest.raises(tvm.error.RPCError, match="no such file"):
            session.load_module("nothing.so")
        with pytest.raises(AttributeError):
            module["nothing"]
        assert module["add_one"](1) == 2


def test_wrong_shapes_are_an_error_of_the_client(board):
    with session_with(board, matmul(board.board.core.isa)) as (session, module):
        (small,) = on_board(session, np.zeros((3, 3), "float32"))
        with pytest.raises(tvm.error.RPCError, match="main"):
            module["main"](small, small, small)
        assert session.listdir(".") != ""
