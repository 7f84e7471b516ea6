"""The static runner's .npy reader, under AddressSanitizer and UBSan."""

from __future__ import annotations

import io
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tuner import export
from tuner.board import toolchain
from tuner.errors import UserError

SOURCES = Path(export.__path__[0]) / "runner"
FLAGS = ["-std=c++17", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
RIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("npy") / "npy_reader"
    try:
        compiler = toolchain.find_host().compiler
    except UserError as error:
        pytest.skip(str(error))
    files = [Path(__file__).parent / "data/npy_reader.cc", SOURCES / "npy.cc"]
    command = [*compiler, *FLAGS, f"-I{SOURCES}", *map(str, files), "-lstdc++", "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "asan" in done.stderr or "ubsan" in done.stderr or "stdc++" in done.stderr:
        pytest.skip("the compiler comes without sanitizers, or without C++")
    assert done.returncode == 0, done.stderr
    return output


def _saved(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def _read(program: Path, folder: Path, contents: list[bytes]) -> list[str]:
    """What the reader says of each, without the name of the file."""
    paths = [folder / f"{index}.npy" for index in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    done = subprocess.run(
        [str(program), *map(str, paths)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]
    lines = done.stdout.splitlines()
    return [line.removeprefix(f"{path} ") for path, line in zip(paths, lines, strict=True)]


def test_what_numpy_writes_is_read_and_written(program, tmp_path):
    versions = [(1, 0), (2, 0), (3, 0)]
    assert _read(program, tmp_path, [_saved(RIGHT, each) for each in versions]) == ["ok"] * 3
    assert (tmp_path / "0.npy.copy").read_bytes() == (tmp_path / "0.npy").read_bytes()
    for index in range(3):
        np.testing.assert_array_equal(np.load(tmp_path / f"{index}.npy.copy"), RIGHT)


def test_arrays_that_the_network_does_not_take(program, tmp_path):
    cases = {
        "holds '<f8' values, the network takes float32": RIGHT.astype(np.float64),
        "holds '>f4' values": RIGHT.astype(">f4"),
        "holds '|u1' values": RIGHT.astype(np.uint8),
        "holds unknown values": np.zeros((2, 3), [("a", "<f4")]),
        "is not in C order: save numpy.ascontiguousarray": np.asfortranarray(RIGHT),
        "has the shape (3, 2), not (2, 3)": RIGHT.reshape(3, 2),
        "has the shape (6,), not (2, 3)": RIGHT.ravel(),
        "has the shape (), not (2, 3)": RIGHT[0, 0],
        "has the shape (1, 2, 3), not (2, 3)": RIGHT[np.newaxis],
    }
    lines = _read(program, tmp_path, [_saved(array) for array in cases.values()])
    for expected, line in zip(cases, lines, strict=True):
        assert line.startswith(expected)


def test_files_that_are_damaged(program, tmp_path):
    whole = _saved(RIGHT)
    data_at = len(whole) - RIGHT.nbytes
    for length, line in enumerate(
        _read(program, tmp_path, [whole[:length] for length in range(len(whole))])
    ):
        expected = "is cut short: " if length >= data_at else "is not an .npy file: make one with"
        assert line.startswith(expected), length
    cases = {
        "holds more than its shape says": whole + b"x",
        "has .npy version 9, known are 1 to 3": whole[:6] + b"\x09" + whole[7:],
        "is not an .npy file": whole[:6] + b"\x02\x00\xff\xff\xff\xff" + whole[10:],
    }
    for expected, line in zip(cases, _read(program, tmp_path, list(cases.values())), strict=True):
        assert line.startswith(expected)


def test_random_damage_never_crashes_it(program, tmp_path):
    draw, whole = random.Random(0), _saved(RIGHT)
    contents = []
    for _ in range(1000):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            damaged[draw.randrange(len(whole))] = draw.choice([0, 39, 40, 44, draw.randrange(256)])
        contents.append(bytes(damaged[: draw.choice([len(whole), draw.randrange(len(whole))])]))
    assert len(set(_read(program, tmp_path, contents))) > 5
