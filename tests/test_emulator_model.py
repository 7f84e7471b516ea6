"""The timing model against its own tables: small kernels whose time follows from few figures."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from schedules import hardware
from tuner.board import build, emulator, launch, toolchain
from tuner.board.emulator import params
from tuner.errors import UserError

pytestmark = pytest.mark.board

KERNELS = Path(__file__).parent / "data" / "emulator" / "kernels.c"
HEADERS = Path(emulator.__file__).parent
FLAGS = {"armv7": ["-marm", "-mfpu=neon-vfpv4"], "aarch64": []}
WORDS = (
    *("cycles", "instructions", "l1d_accesses", "l1d_misses", "l2_misses", "prefetches"),
    *("branches", "mispredicts", "undecoded", "dram_lines"),
)
FMAS = 4096  # of each chain
NODES = 128  # of the pointer ring
PARALLEL_TASKS = 4
STORED_LINES = (4 << 20) // 64
STEPS = 16 * NODES
BIG_CODE_INSTRUCTIONS = 24576


@dataclass(frozen=True)
class Run:
    board: hardware.Board
    lines: list[str]

    def results(self, name: str) -> list[dict[str, int]]:
        """Result words of the runs of one kernel, by name."""
        rows = [line.split() for line in self.lines if line.startswith(f"{name} ")]
        return [dict(zip(WORDS, map(int, row[1:]), strict=False)) for row in rows]

    def cycles(self, name: str) -> int:
        return self.results(name)[0]["cycles"]


@pytest.fixture(scope="module")
def execute(tmp_path_factory):
    """`execute(board name, plugin option)` runs all kernels; the same run is done once."""
    folder = tmp_path_factory.mktemp("emulator")
    done: dict[tuple[str, str], Run] = {}

    def execute_once(name: str, option: str = "memo=on") -> Run:
        if (name, option) not in done:
            board = hardware.board(name)
            try:
                done[name, option] = Run(board, _execute(folder, board, option))
            except UserError as error:
                pytest.skip(str(error))
        return done[name, option]

    return execute_once


def _execute(folder: Path, board: hardware.Board, option: str) -> list[str]:
    isa = board.core.isa
    program = folder / f"kernels-{isa}"
    if not program.exists():
        command = [*toolchain.find(isa).compiler, *FLAGS[isa], "-x", "c", "-O2", "-static"]
        command += [f"-I{HEADERS}", str(KERNELS), "-o", str(program)]
        subprocess.run(command, check=True)
    table = folder / f"{board.name}.txt"
    params.write(board, table)
    plugin = f"{build.emulator_plugin(progress=False)},params={table},{option}"
    command = [str(launch.find_qemu(isa)), "-plugin", plugin, str(program)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()


@pytest.fixture(params=hardware.boards())
def run(request, execute) -> Run:
    return execute(request.param)


def test_hello_names_the_board(run):
    board = run.board
    words = run.lines[0].split()
    assert words[1] == "4d524154"
    assert words[3:] == [
        *(str(params.MODEL_VERSION), str(board.cores), str(board.clock_hz)),
        *(board.name, board.core.name),
    ]


def test_no_time_passes_outside_a_region(run):
    assert run.lines[1] == "outside 0"


@pytest.mark.parametrize("name", hardware.boards())
def test_memo_changes_nothing(execute, name):
    assert execute(name, "memo=on").lines == execute(name, "memo=off").lines


def test_a_region_does_not_depend_on_what_ran_before(run):
    names = {line.split()[0] for line in run.lines[2:]}
    assert len(names) == 15
    for name in names:
        first, second = run.results(name)
        assert first == second


def test_everything_is_decoded(run):
    assert all(row["undecoded"] == 0 for row in run.results("independent"))


def test_chains_cost_their_latency(run):
    core = run.board.core
    addend = core.figures["fma_addend_latency"].value
    latency = core.quad_timing["fma"].latency
    assert run.cycles("addend_chain") == pytest.approx(FMAS * addend, rel=0.05)
    assert run.cycles("result_chain") == pytest.approx(FMAS * latency, rel=0.05)


def test_independent_fmas_reach_the_peak(run):
    flops = FMAS * 4 * 2
    assert run.cycles("independent") == pytest.approx(
        flops / run.board.core.peak_flops_per_cycle, rel=0.05
    )


def test_memory_levels_cost_their_latency(run):
    load = run.board.core.timing["load"].latency
    core, figures = run.board.core.figures, run.board.figures
    dram = figures["dram_ns"].value * run.board.clock_hz / 1e9
    l2 = figures["l2_cycles"].value
    # Every node has a page of its own, more of them than the small TLB holds.
    small_tlb, walk = core["dtlb_miss_cycles"].value, core["page_walk_cycles"].value
    # A miss replaces the last cycle of the load's own latency.
    cold = load - 1 + small_tlb + walk
    assert run.cycles("chase_dram") == pytest.approx(NODES * (dram + cold), rel=0.05)
    # The ring fills about all of a small L2, so some lines come from DRAM after all.
    from_dram = run.results("chase_l2")[0]["l2_misses"]
    least = NODES * (l2 + cold)
    assert from_dram < 0.1 * NODES
    assert 0.99 * least <= run.cycles("chase_l2") <= least + (from_dram + 1) * dram
    in_l1 = 16 * NODES * (load + small_tlb) + NODES * walk
    assert run.cycles("chase_l1") == pytest.approx(in_l1, rel=0.05)


def test_counters_tell_the_memory_levels_apart(run):
    dram, l2, l1 = (run.results(f"chase_{level}")[0] for level in ("dram", "l2", "l1"))
    assert dram["l2_misses"] >= NODES and dram["dram_lines"] >= NODES
    assert l2["l1d_misses"] >= NODES > 8 * l2["l2_misses"]
    assert l1["l1d_misses"] < NODES / 8


def test_mispredicted_branches_cost_their_penalty(run):
    random, steady = run.results("random_branches")[0], run.results("steady_branches")[0]
    assert steady["mispredicts"] < 0.01 * steady["branches"]
    missed = random["mispredicts"] - steady["mispredicts"]
    assert missed > 0.3 * 2000
    penalty = run.board.core.figures["mispredict_cycles"].value
    assert random["cycles"] - steady["cycles"] > 0.5 * missed * penalty


def test_parallel_tasks_share_the_cores(run):
    figures = run.board.figures
    join = figures["fork_join_ns"].value * run.board.clock_hz / 1e9
    turns = PARALLEL_TASKS // min(PARALLEL_TASKS, run.board.cores)
    one_task = run.cycles("addend_chain")
    assert run.cycles("parallel_chains") == pytest.approx(turns * one_task + join, rel=0.05)


def test_stores_are_bound_by_the_memory_bus(run):
    words = run.results("stores")[0]
    bytes_per_cycle = run.board.dram_bytes_per_cycle
    # Lines are written back when L2 is full; few are read, as they are overwritten whole.
    written_back = STORED_LINES - run.board.l2_bytes / 64
    assert words["dram_lines"] == pytest.approx(written_back, rel=0.05)
    assert words["cycles"] == pytest.approx(written_back * 64 / bytes_per_cycle, rel=0.25)


def test_a_prefetch_instruction_hides_the_memory_latency(run):
    figures = run.board.figures
    dram = figures["dram_ns"].value * run.board.clock_hz / 1e9
    without, hinted = run.cycles("scattered_loads"), run.cycles("scattered_hinted")
    if run.board.core.pipeline == "in-order":
        # The work between two loads does not wait for them, but the next load's use does.
        assert hinted < without
    prefetched = run.results("scattered_hinted")[0]["prefetches"]
    assert prefetched >= 0.9 * NODES
    assert without - hinted <= NODES * dram


def test_an_access_across_two_lines_costs_extra(run):
    extra = run.board.core.figures["split_cycles"].value
    difference = run.cycles("split_loads") - run.cycles("whole_loads")
    assert difference == pytest.approx(STEPS * extra, rel=0.05, abs=100)


def test_code_larger_than_the_instruction_cache_is_not_free(run):
    cycles = run.cycles("big_code")
    issue = 4 * BIG_CODE_INSTRUCTIONS / run.board.core.figures["issue_width"].value
    lines = BIG_CODE_INSTRUCTIONS * 4 / 64
    # The first of the four times is free.
    assert cycles > issue + 3 * lines * run.board.figures["l2_cycles"].value / 4
