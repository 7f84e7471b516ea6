"""One inference of ncnn, one thread, on an emulated board."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import guest_root, networks
from schedules.hardware import Board
from tuner.board import build, launch
from tuner.board.emulator import params
from tuner.errors import UserError

# ARM cores QEMU can emulate whose instruction set is that of our boards, no newer.
_QEMU_CPUS = {"armv7": "cortex-a15", "aarch64": "cortex-a53"}
_GUEST_PROGRAM = Path(__file__).with_name("ncnn_guest.py")
_TIMEOUT_S = 900
_UNDECODED = 8  # guest_calls.h


@dataclass(frozen=True)
class Inference:
    cycles: int
    instructions: int


def prepare(board: Board, progress: guest_root.Progress) -> Path:
    """The board's root with the program and the networks in it."""
    build.emulator_plugin()
    root = guest_root.guest_root(board, progress)
    shutil.copy(_GUEST_PROGRAM, root / _GUEST_PROGRAM.name)
    for network in networks.INPUT_SIZES:
        (root / f"{network}.param").write_text(networks.param_text(network), encoding="ascii")
    params.write(board, root / "board.txt")
    return root


def run(board: Board, root: Path, network: str) -> Inference:
    """Time the second inference; `root` is from `prepare`.

    Raises:
        UserError: QEMU is missing, or the run failed.
    """
    isa = board.core.isa
    plugin = f"{build.emulator_plugin()},params={root / 'board.txt'}"
    command = [str(launch.find_qemu(isa)), "-cpu", _QEMU_CPUS[isa], "-L", str(root)]
    command += ["-plugin", plugin, *guest_root.python_options(root, isa)]
    command += [f"/{_GUEST_PROGRAM.name}", network, str(networks.INPUT_SIZES[network])]
    try:
        done = subprocess.run(
            command, env={}, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"ncnn's {network} on {board.name} took over {_TIMEOUT_S} s") from None
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("words ")]
    if done.returncode != 0 or not lines:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"ncnn's {network} on {board.name} failed: {last}",
            f"delete {root.parent} and try again",
        )
    words = [int(word) for word in lines[-1][1:]]
    if words[_UNDECODED]:
        raise UserError(f"{words[_UNDECODED]} executed instructions were not decoded")
    return Inference(cycles=words[0], instructions=words[1])
