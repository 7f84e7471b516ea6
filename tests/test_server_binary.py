"""`python -m tuner server-binary`: the file for a real board."""

from __future__ import annotations

import re
import shlex
import struct
import subprocess

import pytest

from tuner import cli
from tuner.board import launch

_PROGRAM_INTERPRETER = 3  # PT_INTERP: a dynamic linker is wanted
_SYMBOL_TABLE = 2  # SHT_SYMTAB: not stripped


def header_types(data: bytes) -> tuple[set[int], set[int]]:
    """Types of an ELF file's program headers and sections."""
    is_64_bit = data[4] == 2
    at, form = (32, "<QQ") if is_64_bit else (28, "<II")
    programs, sections = struct.unpack_from(form, data, at)
    sizes = struct.unpack_from("<HHHH", data, 54 if is_64_bit else 42)
    program_size, program_count, section_size, section_count = sizes

    def types(start: int, size: int, count: int, offset: int) -> set[int]:
        return {struct.unpack_from("<I", data, start + size * i + offset)[0] for i in range(count)}

    return (
        types(programs, program_size, program_count, 0),
        types(sections, section_size, section_count, 4),
    )


@pytest.mark.parametrize("output", ["missing/tvm_rpc", "."])
def test_a_place_that_cannot_be_written(monkeypatch, tmp_path, output, capsys):
    program = tmp_path / "built"
    program.write_bytes(b"server")
    monkeypatch.setattr("tuner.board.build.server_binary", lambda isa: program)
    with pytest.raises(SystemExit) as stop:
        cli.main(["server-binary", "--target", "rk3288", "-o", str(tmp_path / output)])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_older_file_is_replaced(monkeypatch, tmp_path, capsys):
    program, output = tmp_path / "built", tmp_path / "tvm_rpc"
    program.write_bytes(b"new")
    output.write_bytes(b"old")
    monkeypatch.setattr("tuner.board.build.server_binary", lambda isa: program)
    cli.command_line.main(
        ["server-binary", "--target", "rpi4", "-o", str(output)], standalone_mode=False
    )
    assert output.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "tvm_rpc"]
    printed = capsys.readouterr().out
    assert "./tvm_rpc --host 0.0.0.0 --port 9090" in printed
    assert "python -m tuner doctor --target rpi4 --host BOARD --port 9090" in printed


@pytest.mark.board
@pytest.mark.parametrize("target, isa", [("rk3288", "armv7"), ("rasp3b-64", "aarch64")])
def test_the_printed_commands_work(target, isa, tmp_path, capsys):
    """Without the emulator, QEMU stands for the real board."""
    output = tmp_path / "tvm_rpc"
    cli.command_line.main(
        ["server-binary", "--target", target, "-o", str(output)], standalone_mode=False
    )
    programs, sections = header_types(output.read_bytes())
    assert _PROGRAM_INTERPRETER not in programs
    assert _SYMBOL_TABLE not in sections

    start, check = re.findall(r"^  (.+)$", capsys.readouterr().out, re.MULTILINE)
    # As printed, but for the port, which must be a free one, and the network, which is no test's.
    start = shlex.split(start.replace("--port 9090", "--port 0").replace("0.0.0.0", "127.0.0.1"))
    server = subprocess.Popen(
        [str(launch.find_qemu(isa)), *start],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        port = server.stdout.readline().rsplit(":", 1)[1].strip()
        words = shlex.split(check.replace("BOARD", "127.0.0.1").replace("9090", port))
        cli.command_line.main(words[3:], standalone_mode=False)
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()
    printed = capsys.readouterr().out
    assert all(line.startswith("ok ") for line in printed.splitlines())
    assert "emulated" not in printed
