"""Tables of cores and boards: complete, sourced, and refused with a clear line when wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from schedules import hardware
from tuner.board.emulator import params

TABLES = Path(hardware.__file__).parent


@pytest.mark.parametrize("name", hardware.cores())
def test_core_is_usable(name):
    core = hardware.core(name)
    assert core.name == name and core.title
    assert core.isa in hardware.ISAS
    assert core.llvm["kind"] == "llvm" and core.llvm["mcpu"] == name.removesuffix("-32")
    assert core.vector_registers == {"armv7": 16, "aarch64": 32}[core.isa]
    # Multiply and add of every float32 lane of the datapath, once a cycle.
    assert core.peak_flops_per_cycle == 2 * core.vector_bits // 32
    assert hardware.resolve(name).core == core


@pytest.mark.parametrize("name", hardware.boards())
def test_board_is_usable(name):
    board = hardware.board(name)
    assert board.name == name and board.title
    assert board.cores >= 1
    assert 100e6 < board.clock_hz < 5e9
    assert board.l2_bytes > board.core.l1d_bytes
    assert hardware.resolve(name) is board


@pytest.mark.parametrize("name", hardware.cores())
def test_every_core_figure_has_kind_and_source(name):
    core = hardware.core(name)
    figures = [*core.figures.values(), *core.timing.values(), *core.quad_timing.values()]
    assert all(figure.kind in hardware.KINDS and figure.source for figure in figures)


@pytest.mark.parametrize("name", hardware.cores())
def test_wide_operations_are_not_faster_than_narrow_ones(name):
    core = hardware.core(name)
    for instruction, quad in core.quad_timing.items():
        assert quad.latency >= core.timing[instruction].latency


@pytest.mark.parametrize(
    ("look_up", "wrong", "right"),
    [
        (hardware.core, "cortex-a35", "cortex-a53"),
        (hardware.board, "rk3388", "rk3288"),
        (hardware.resolve, "rasp3", "rasp3b"),
        (hardware.resolve, "cortexa17", "cortex-a17"),
    ],
)
def test_unknown_name_suggests_the_closest(look_up, wrong, right):
    with pytest.raises(hardware.HardwareError, match=f"unknown .*{wrong}.* did you mean {right}"):
        look_up(wrong)


CORE = (TABLES / "cores" / "cortex-a53.toml").read_text(encoding="utf-8")
BOARD = (TABLES / "boards" / "rpi4.toml").read_text(encoding="utf-8")
TRM_WIDTH = 'issue_width = [2, "documented", "trm"]'
FMA = 'fma = [8, "n0|n1:1", "measured", "insn-bench"]'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (TRM_WIDTH, "", r"\[figures\] lacks issue_width"),
        (TRM_WIDTH, 'issue_width = ["2", "documented", "trm"]', "value a whole number"),
        (TRM_WIDTH, 'issue_width = [-2, "documented", "trm"]', "value a whole number"),
        (TRM_WIDTH, 'issue_width = [2, "guessed", "trm"]', "kind 'guessed'; allowed: measured"),
        (TRM_WIDTH, 'issue_width = [2, "documented", "web"]', "'web' is not named in .sources."),
        (TRM_WIDTH, TRM_WIDTH + "\n" + TRM_WIDTH.replace("width", "widht"), "mean issue_width"),
        (FMA, "", r"\[instructions\] lacks fma"),
        (FMA, FMA.replace("[8", "[0"), "latency >= 1"),
        (FMA, FMA.replace("n1", "n7"), "unknown pipe 'n7'; did you mean n"),
        (FMA, FMA.replace(":1", ":x"), "must be pipes:cycles"),
        (FMA, FMA.replace("n0|n1:1", "n0:1, n0:1, n0:1, n0:1, n0:1"), "more than 4 micro-op"),
        ('isa = "aarch64"', 'isa = "riscv"', "allowed: armv7, aarch64"),
        ('isa = "aarch64"', "isa = ", "not valid TOML"),
        ('title = "ARM', 'nickname = "A53"\ntitle = "ARM', "unknown name in top level: 'nickname'"),
        ("[pipes]", "[tubes]", r"section \[pipes\] is missing"),
    ],
)
def test_bad_core_table_is_refused(tmp_path, old, new, says):
    assert old in CORE
    path = tmp_path / "cortex-a53.toml"
    path.write_text(CORE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(hardware.HardwareError, match=says) as error:
        hardware.load_core(path)
    assert str(path) in str(error.value)


def test_bad_board_table_is_refused(tmp_path):
    path = tmp_path / "rpi4.toml"
    path.write_text(BOARD.replace('core = "cortex-a72"', 'core = "cortexa72"'), encoding="utf-8")
    with pytest.raises(hardware.HardwareError, match="did you mean cortex-a72"):
        hardware.load_board(path)
    with pytest.raises(hardware.HardwareError, match="cannot be read"):
        hardware.load_board(tmp_path / "none.toml")


@pytest.mark.parametrize("name", hardware.boards())
def test_parameter_file(name, tmp_path):
    board = hardware.board(name)
    params.write(board, tmp_path / "board.txt", threads=2)
    lines = dict(line.split(" ", 1) for line in (tmp_path / "board.txt").read_text().splitlines())
    assert lines["board"] == name and lines["core"] == board.core.name
    assert lines["model_version"] == str(params.MODEL_VERSION)
    assert lines["cores"] == "2"
    assert int(lines["clock_hz"]) == board.clock_hz
    assert int(lines["latency.fma.q"]) == board.core.quad_timing["fma"].latency
    assert params.text(board) == params.text(board)
