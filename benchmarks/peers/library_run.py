"""One inference of an inference library, one thread, on an emulated board."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers import guest_root, ncnn_model, onnx_model, tflite_model
from benchmarks.peers.guest_root import Progress, Wheel
from benchmarks.peers.plain_graph import Node
from schedules.hardware import Board
from tuner.board import build, launch
from tuner.board.emulator import params
from tuner.errors import UserError

_HERE = Path(__file__).parent
_CLOCK = "guest_clock.py"
# Every path that the guest sees is relative: the length of the user's cache path would shift its
# stack, and with it the cycles.
_ROOT = Path("root")
# ARM cores QEMU can emulate whose instruction set is that of our boards, no newer.
_QEMU_CPUS = {"armv7": "cortex-a15", "aarch64": "cortex-a53"}
_TIMEOUT_S = 3600
_UNDECODED = 8  # guest_calls.h


@dataclass(frozen=True)
class Library:
    """An inference library that is run on the boards as its users run it.

    Attributes:
        title: name for people.
        wheel: what is installed.
        program: of this folder; runs in the guest, in the folder of the model.
        write: writes the model files into a folder, from the layers and the input's size.
        converter: a program that runs before, untimed, to make the library's own format of them.
        absent: why it is not run where it is not.
    """

    title: str
    wheel: Wheel
    program: str
    write: Callable[[Sequence[Node], int, Path], None]
    converter: str | None = None
    absent: str = "there is no wheel"

    @property
    def programs(self) -> list[str]:
        """All that run in the guest, in order, and what they import."""
        return [*([self.converter] if self.converter else []), self.program, _CLOCK]


def _write_ncnn(nodes: Sequence[Node], size: int, folder: Path) -> None:
    ncnn_model.write(nodes, size, folder / "model.param", folder / "model.bin")


def _write_onnx(nodes: Sequence[Node], size: int, folder: Path) -> None:
    onnx_model.write(nodes, size, folder / "model.onnx")


def _write_tflite(nodes: Sequence[Node], size: int, folder: Path) -> None:
    tflite_model.write(nodes, size, folder / "model.tflite")


_64_BIT = ("aarch64",)
LIBRARIES = {
    "ncnn": Library("ncnn", guest_root.NCNN, "guest_ncnn.py", _write_ncnn),
    "mnn": Library(
        "MNN", Wheel("MNN", "3.6.1", _64_BIT), "guest_mnn.py", _write_onnx, "guest_mnn_convert.py"
    ),
    "onnxruntime": Library(
        *("ONNX Runtime", Wheel("onnxruntime", "1.32.0", _64_BIT)),
        *("guest_onnxruntime.py", _write_onnx),
    ),
    "litert": Library(
        *("LiteRT (XNNPACK)", Wheel("ai-edge-litert", "2.3.0", _64_BIT)),
        *("guest_litert.py", _write_tflite),
    ),
    # What there is for 32 bit is older, and built without XNNPACK.
    "tflite": Library(
        *("TensorFlow Lite (no XNNPACK)", Wheel("tflite-runtime", "2.14.0", ("armv7",))),
        *("guest_litert.py", _write_tflite),
        absent="LiteRT has taken its place",
    ),
}


@dataclass(frozen=True)
class LibraryRun:
    """The second inference of two.

    Attributes:
        held_bytes: what the library holds in memory between inferences: weights, in its own
            layout too, and buffers; without Python and without the model's file.
        output: what the network returned, flat.
    """

    cycles: int
    instructions: int
    held_bytes: int
    output: np.ndarray


def run(
    library: Library, board: Board, nodes: Sequence[Node], data: np.ndarray, progress: Progress
) -> LibraryRun:
    """Install `library` if it is not there yet, and time the network of `nodes` on `data`.

    Args:
        data: float32 (1, 3, size, size).

    Raises:
        UserError: there is no wheel for the board, QEMU is missing, or the run failed.
    """
    isa = board.core.isa
    if isa not in library.wheel.isas:
        raise UserError(f"{library.title} is not run on {isa}: {library.absent}", "leave it out")
    root = guest_root.guest_root(board, progress, library.wheel)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        _fill(folder, library, nodes, data)
        params.write(board, folder / "board.txt")
        (folder / _ROOT).symlink_to(root)
        (folder / "libemulator.so").symlink_to(build.emulator_plugin())
        words, held_bytes = _run_guest(library, board, folder, nodes[-1].name)
        output = np.load(folder / "output.npy")
    if words[_UNDECODED]:
        raise UserError(f"{words[_UNDECODED]} executed instructions were not decoded")
    return LibraryRun(words[0], words[1], held_bytes, output)


def digest(library: Library, nodes: Sequence[Node], data: np.ndarray) -> str:
    """Of all that the guest is given: programs, model files with their weights, input."""
    found = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        _fill(Path(name), library, nodes, data)
        for path in sorted(Path(name).iterdir()):
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def _fill(folder: Path, library: Library, nodes: Sequence[Node], data: np.ndarray) -> None:
    library.write(nodes, data.shape[2], folder)
    np.save(folder / "input.npy", data)
    for program in library.programs:
        shutil.copy(_HERE / program, folder / program)


def _run_guest(
    library: Library, board: Board, folder: Path, output_name: str
) -> tuple[list[int], int]:
    """Return the emulator's result words, and the bytes held."""
    if library.converter:
        _execute(library, board, folder, [], library.converter)
    plugin = ["-plugin", "./libemulator.so,params=board.txt"]
    text = _execute(library, board, folder, plugin, library.program, output_name)
    lines = {words[0]: words[1:] for words in map(str.split, text.splitlines()) if words}
    return [int(word) for word in lines["words"]], int(lines["held"][0])


def _execute(
    library: Library, board: Board, folder: Path, qemu_options: Sequence[str], *program: str
) -> str:
    """Run a Python program in the guest; return what it printed."""
    isa = board.core.isa
    command = [str(launch.find_qemu(isa)), "-cpu", _QEMU_CPUS[isa], "-L", str(_ROOT)]
    command += [*qemu_options, *guest_root.python_options(_ROOT, isa, library.wheel), *program]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{library.title} on {board.name} took over {_TIMEOUT_S} s",
            "give the same command again when this computer is less busy",
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(
            f"{library.title} on {board.name} failed: {last}",
            f"delete {build.cache_folder() / 'peers'} and try again",
        )
    return done.stdout
