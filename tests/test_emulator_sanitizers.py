"""The emulator's C code under AddressSanitizer and UBSan, on the recorded disassembly."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from schedules import hardware
from tuner.board import arithmetic, emulator, toolchain
from tuner.board.emulator import params
from tuner.errors import UserError

SOURCES = Path(emulator.__file__).parent
ARITHMETIC = Path(arithmetic.__file__).parent
DATA = Path(__file__).parent / "data"
# What only works inside QEMU.
PLUGIN = (
    *("main", "region", "join", "report", "guest_registers", "memo", "memo_events", "fetch"),
    *("branch", "translate"),
)
COMPUTED = ("operation", "exact", "compute", "replaced")
FLAGS = ["-std=gnu11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("sanitized") / "sanitized"
    files = [path for path in SOURCES.glob("*.c") if path.stem not in PLUGIN]
    try:
        compiler = toolchain.find_host().compiler
    except UserError as error:
        pytest.skip(str(error))
    files += [ARITHMETIC / f"{name}.c" for name in COMPUTED]
    command = [*compiler, *FLAGS, f"-I{SOURCES}", f"-I{ARITHMETIC}"]
    command += [str(DATA / "emulator/sanitized.c"), *map(str, files), "-lm", "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "asan" in done.stderr or "ubsan" in done.stderr:
        pytest.skip("the compiler comes without sanitizers")
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.parametrize("name", ["rasp3b-64", "rpi4", "rasp3b", "rk3288"])
def test_the_corpus_runs_clean(program, name, tmp_path):
    board = hardware.board(name)
    is_a64 = board.core.isa == "aarch64"
    params.write(board, tmp_path / "board.txt")
    corpora = ["a64"] if is_a64 else ["a32", "t32"]
    texts = [
        line.split(" | ")[0]
        for corpus in corpora
        for line in (DATA / f"disassembly/{corpus}.txt").read_text("ascii").splitlines()
    ]
    done = subprocess.run(
        [str(program), str(tmp_path / "board.txt"), str(int(is_a64))],
        input="\n".join(texts) + "\n",
        env={"ASAN_OPTIONS": "detect_leaks=1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[:2000]
    assert int(done.stdout) == len(texts) > 100
