"""Model time: equal to the last cycle, whatever else happens."""

from __future__ import annotations

import shutil
import subprocess
import sys

import host
import numpy as np
import pytest
import tvm
from board_kernels import (
    broken,
    matmul,
    matmul_arrays,
    network,
    network_weights,
    on_board,
    session_with,
)
from tvm import relax

import schedules
from schedules import hardware
from tuner.board import build, link
from tuner.board.launch import EmulatedBoard
from tuner.board.session import counters, is_over_budget, set_cycle_budget
from tuner.measure import Measurer, Trial, runner
from tuner.search import Space
from tuner.tasks import Task

pytestmark = pytest.mark.board

COLD = "cache_flush_cpu_non_first_arg"


def matmul_counts(
    board, f_preproc: str = "", padding_bytes: int = 0, calls: int = 0, budget: int = 0
) -> dict:
    """Counts of one timed matmul in a fresh session.

    Args:
        padding_bytes: allocate that much before, so that tensors come to lie elsewhere.
        calls: run the kernel that often before.
        budget: cycles that it may take; 0 = any number.
    """
    a, b, expected = matmul_arrays()
    with session_with(board, matmul(board.board.core.isa)) as (session, module):
        before = on_board(session, np.zeros(padding_bytes, "uint8")) if padding_bytes else []
        tensors = on_board(session, a, b, np.zeros(expected.shape, "float32"))
        for _ in range(calls):
            module["main"](*tensors)
        evaluator = module.time_evaluator(
            "main", session.cpu(0), number=3, repeat=4, min_repeat_ms=50, f_preproc=f_preproc
        )
        if budget:
            set_cycle_budget(session, budget)
        times = evaluator(*tensors).results
        del before
        result = counters(session)
    assert len(times) == 4
    assert len(set(times)) == 1
    assert times[0] == result["cycles"] / board.board.clock_hz
    return result


@pytest.mark.parametrize("f_preproc", ["", COLD])
def test_fresh_sessions_agree(board, f_preproc):
    first = matmul_counts(board, f_preproc)
    assert first["cycles"] > 0
    assert first["undecoded"] == 0
    assert matmul_counts(board, f_preproc) == first


@pytest.mark.parametrize("f_preproc", ["", COLD])
def test_history_does_not_matter(board, f_preproc):
    first = matmul_counts(board, f_preproc)
    assert matmul_counts(board, f_preproc, padding_bytes=100_000, calls=2) == first


def test_another_board_process_agrees(board):
    first = matmul_counts(board)
    with EmulatedBoard(board.board) as another:
        assert matmul_counts(another) == first


def test_where_the_user_keeps_files_does_not_matter(armv7_board, tmp_path, monkeypatch):
    """Measured on a winograd layer, which showed it: its code uses the stack the most."""
    first = winograd_cycles(armv7_board, tmp_path)
    isa = armv7_board.board.core.isa
    elsewhere = tmp_path / "a cache folder with a much longer name"
    for program in (build.server_binary(isa), build.emulator_plugin()):
        shutil.copytree(program.parent, elsewhere / "programs" / program.parent.name)
    monkeypatch.setenv("TVM_ARM_SCHEDULES_CACHE", str(elsewhere))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with EmulatedBoard(armv7_board.board) as moved:
        assert winograd_cycles(moved, tmp_path) == first


def winograd_cycles(board, folder) -> int:
    """Cycles of one layer with a config that spills to the stack."""
    workload = schedules.Conv2dWorkload(1, 16, 13, 13, 24, 3, 3, padding=(1, 1, 1, 1))
    config = {"m": 4, "mr": 6, "nr": 8, "block": 1, "share": "channels"}
    core = board.board.core
    module, pack = schedules.conv2d_module(workload, "conv2d_winograd", config, core)
    library = folder / "layer.so"
    built = tvm.compile(module, target=schedules.target(core.name))
    built.export_library(str(library), fcompile=link.fcompile(core.isa))
    data, weight, bias = host.random_arrays(workload)
    session = board.connect(60)
    session.upload(str(library))
    device = session.cpu(0)
    result = np.zeros((1, workload.co, workload.oh, workload.ow), np.float32)
    arguments = [tvm.runtime.tensor(a, device) for a in (data, pack(weight), bias, result)]
    loaded = session.load_module(library.name)
    loaded.time_evaluator("main", device, number=1, f_preproc=COLD)(*arguments)
    return counters(session)["cycles"]


def test_load_and_environment_of_the_host_do_not_matter(armv7_board, monkeypatch):
    _, data = network_weights()

    def counts(board) -> tuple[dict, int]:
        with session_with(board, network("armv7")) as (session, module):
            whole = network_cycles(session, module, data)
        return matmul_counts(board, COLD), whole

    first = counts(armv7_board)
    spin = [sys.executable, "-c", "while True: pass"]
    loads = [subprocess.Popen(spin) for _ in range(3)]
    monkeypatch.setenv("A_VARIABLE_OF_THE_USER", "x" * 12345)
    try:
        with EmulatedBoard(armv7_board.board) as another:
            assert counts(another) == first
    finally:
        for load in loads:
            load.kill()
            load.wait()


def test_a_cycle_budget_ends_a_hopeless_run(board):
    first = matmul_counts(board, COLD)
    assert matmul_counts(board, COLD, budget=first["cycles"] + 1) == first
    with pytest.raises(tvm.error.RPCError, match="more cycles than") as caught:
        matmul_counts(board, COLD, budget=first["cycles"] // 2)
    assert is_over_budget(caught.value)
    assert matmul_counts(board, COLD) == first  # the board goes on, and other sessions have none


def test_a_candidate_over_budget_is_a_result(armv7_board, monkeypatch):
    workload = schedules.Conv2dWorkload(1, 8, 7, 7, 12, 1, 1)
    task = Task(workload, ("layer",), ("bias", "relu"))
    core = armv7_board.board.core
    candidate = Space(workload, core).defaults()[0]
    monkeypatch.setattr(runner, "cycle_budget", lambda flops: 100)
    with Measurer(core.name, [armv7_board], workers=1) as measurer:
        ((_, outcome),) = measurer.measure([Trial(0, task, candidate)])
    assert outcome.error == {"kind": "over budget", "text": "stopped after 100 cycles"}


def test_session_limit_does_not_matter(armv7_board):
    """The greeting's length must not shift the heap the session finds."""
    _, data = network_weights()
    cycles = set()
    for timeout_s in (20, 123.456):
        with session_with(armv7_board, network("armv7"), timeout_s) as (session, module):
            cycles.add(network_cycles(session, module, data))
    assert len(cycles) == 1


def test_cold_caches_cost_time(board):
    warm, cold = matmul_counts(board), matmul_counts(board, COLD)
    assert cold["cycles"] > warm["cycles"]
    assert cold["l2_misses"] > warm["l2_misses"]
    assert cold["instructions"] == warm["instructions"]


def test_more_cores_take_fewer_cycles(armv7_board):
    four = matmul_counts(armv7_board)
    with EmulatedBoard(hardware.board("rk3288"), threads=1) as single:
        one = matmul_counts(single)
    assert four["cycles"] < one["cycles"] < 4 * four["cycles"]


def network_cycles(session, module, data) -> int:
    """Cycles of one warm inference."""
    machine = relax.VirtualMachine(module, session.cpu(0))
    machine.set_input("main", *on_board(session, data))
    machine.time_evaluator("invoke_stateful", session.cpu(0), number=2, repeat=2)("main")
    return counters(session)["cycles"]


def test_network_time_is_equal_in_fresh_sessions(board):
    _, data = network_weights()
    cycles = set()
    for _ in range(2):
        with session_with(board, network(board.board.core.isa)) as (session, module):
            cycles.add(network_cycles(session, module, data))
    assert len(cycles) == 1
    assert cycles.pop() > 0


def test_unknown_preparation_is_refused(armv7_board):
    with (
        session_with(armv7_board, broken("armv7")) as (session, module),
        pytest.raises(Exception, match="unknown to the emulated board"),
    ):
        module.time_evaluator("add_one", session.cpu(0), f_preproc="warm_it_up")(1)


def test_function_of_a_network_is_timed(board):
    _, data = network_weights()
    with session_with(board, network(board.board.core.isa)) as (session, module):
        machine = relax.VirtualMachine(module, session.cpu(0))
        (on_device,) = on_board(session, data)
        result = machine.time_evaluator("main", session.cpu(0), repeat=3)(on_device)
        assert result.results[0] == counters(session)["cycles"] / board.board.clock_hz


def test_error_in_a_timed_kernel_is_told(board):
    with session_with(board, matmul(board.board.core.isa)) as (session, module):
        (small,) = on_board(session, np.zeros((3, 3), "float32"))
        evaluator = module.time_evaluator("main", session.cpu(0))
        with pytest.raises(tvm.error.RPCError, match="main"):
            evaluator(small, small, small)
        assert session.listdir(".") != ""
    matmul_counts(board)
