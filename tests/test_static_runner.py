"""`DIR/run` of `tuner export`: a static program that runs a network on a bare board."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import ISA_BOARDS
from test_end_to_end import tiny  # noqa: F401  registers the network
from test_server_binary import _PROGRAM_INTERPRETER, header_types

from schedules import hardware
from tuner import export, networks
from tuner.board import build, launch
from tuner.cli.export import export_verb

pytestmark = pytest.mark.board


def _isa(board: str) -> str:
    return hardware.board(board).core.isa


def _run(board: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """QEMU without the emulator stands for the board: an empty environment, no system root."""
    program = [str(launch.find_qemu(_isa(board))), str(folder / "run"), *options]
    return subprocess.run(
        program, cwd="/", env={}, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("board", ISA_BOARDS.values())
def test_squeezenet_runs_and_agrees_with_float64(board, tmp_path):
    folder = tmp_path / "bundle"
    command = ["squeezenet", "--target", board, "-o", str(folder)]
    shown = CliRunner().invoke(export_verb, command, catch_exceptions=False).output
    assert "./bundle/run --check" in shown
    assert _PROGRAM_INTERPRETER not in header_types((folder / "run").read_bytes())[0]

    (tmp_path / "labels").write_text("".join(f"class {i}\n" for i in range(1000)))
    options = ["--repeat", "1", "--labels", str(tmp_path / "labels")]
    ran = _run(board, folder, *options, "--check", "--output", str(tmp_path / "scores.npy"))
    assert (ran.returncode, ran.stderr) == (0, "")
    scores = np.load(tmp_path / "scores.npy")
    expected = np.load(folder / "expected.npy")  # float64, computed here
    assert scores.shape == (1, 1000) and scores.dtype == np.float32
    assert np.abs(scores - expected).max() <= 1e-4 * np.abs(expected).max()

    title, *classes, time, verdict = ran.stdout.splitlines()
    assert title == f"SqueezeNet 1.1, 224x224 for {board}"
    largest = np.argsort(-scores[0], kind="stable")[:5]
    assert classes == [f"{i:5}  {scores[0, i]:.6f}  class {i}" for i in largest]
    assert " ms, the median of 1 (" in time
    assert verdict.startswith("right: off by ")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """A small network for the 32-bit board."""
    folder = tmp_path_factory.mktemp("tiny")
    board = hardware.board(ISA_BOARDS["armv7"])
    network = networks.get("tiny")
    program = build.network_runner(board.core.isa)
    export.write(folder, network, board, export.shipped(network, board), program)
    return folder


def _fails(bundle: Path, *options: str, status: int = 2) -> str:
    ran = _run(ISA_BOARDS["armv7"], bundle, *options)
    assert ran.returncode == status and ran.stderr.count("\n") <= 1, ran.stderr
    return ran.stderr if status == 2 else ran.stdout


def test_help_and_options(bundle):
    ran = _run(ISA_BOARDS["armv7"], bundle, "--help")
    assert ran.returncode == 0 and "--input FILE.npy" in ran.stdout
    ran = _run(ISA_BOARDS["armv7"], bundle, "--threads", "1", "--repeat", "4")
    assert ran.returncode == 0 and "the median of 4 (1 thread)" in ran.stdout
    assert "error: --nonsense is no option; --help" in _fails(bundle, "--nonsense")
    assert "error: --input needs a value" in _fails(bundle, "--input")
    assert "error: 'x.npy' is no option; an array is given with --input" in _fails(bundle, "x.npy")
    for number in ("0", "many", "-1", "2x"):
        assert f"--repeat takes a whole number from 1, not '{number}'" in _fails(
            bundle, "--repeat", number
        )
    assert "leave --input out" in _fails(bundle, "--check", "--input", "x.npy")


def test_files_that_are_missing_or_wrong(bundle, tmp_path):
    assert "none.npy cannot be read: No such file" in _fails(bundle, "--input", "none.npy")
    assert "/ cannot be read: Is a directory" in _fails(bundle, "--input", "/")
    assert "scores.npy cannot be written: No such" in _fails(bundle, "--output", "/no/scores.npy")
    (tmp_path / "labels").write_text("one\ntwo\n")
    shown = _fails(bundle, "--labels", str(tmp_path / "labels"))
    assert "labels has 2 lines, the network has 10 outputs" in shown
    assert "names of the classes" in _fails(bundle, "--labels", str(tmp_path / "none"))


def test_a_bundle_with_a_damaged_or_missing_part(bundle, tmp_path):
    def copy_with(name: str, content: bytes | None) -> Path:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for path in bundle.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / "run").chmod(0o755)
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
        return folder

    for name in ("manifest.json", "model.so"):
        shown = _fails(copy_with(name, None))
        assert f"{name}: copy the whole exported folder" in shown
    assert "manifest.json is damaged" in _fails(copy_with("manifest.json", b'{"title": 1'))
    library = (bundle / "model.so").read_bytes()
    assert "model.so: the file is cut short" in _fails(copy_with("model.so", library[:9000]))
    other = bytes([*library[:18], 183, *library[19:]])  # e_machine: AArch64
    assert "compiled for another machine; this one is armv7" in _fails(copy_with("model.so", other))
    wrong = np.load(bundle / "expected.npy")[:, ::-1]
    folder = copy_with("expected.npy", None)
    np.save(folder / "expected.npy", np.ascontiguousarray(wrong))
    assert "WRONG: off by" in _fails(folder, "--check", status=1)
