"""QEMU's plugin interface: the version the emulator was tried with, and no other."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

import pytest

from schedules import hardware
from tuner.board import build, toolchain
from tuner.board.emulator import params
from tuner.board.launch import EmulatedBoard
from tuner.errors import UserError

TRIED = 1


class Info(ctypes.Structure):
    """qemu_info_t of qemu_plugin.h"""

    _fields_ = (
        ("target_name", ctypes.c_char_p),
        ("oldest_version", ctypes.c_int),
        ("version", ctypes.c_int),
        ("system_emulation", ctypes.c_bool),
        ("cores", ctypes.c_int * 2),
    )


@pytest.fixture(scope="module")
def plugin(tmp_path_factory) -> ctypes.CDLL:
    """The plugin in this process, with functions of QEMU's names that end it when called."""
    try:
        path = build.emulator_plugin(progress=False)
    except UserError as error:
        pytest.skip(str(error))
    header = (Path(params.__file__).parent / "qemu_plugin.h").read_text(encoding="utf-8")
    names = sorted(set(re.findall(r"(qemu_plugin_\w+)\(", header)))
    stubs = "".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name in names)
    library = tmp_path_factory.mktemp("qemu") / "libstubs.so"
    command = [*toolchain.find_host().compiler, "-shared", "-fPIC", "-x", "c", "-", "-o", library]
    subprocess.run(command, input=stubs, text=True, check=True)
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(path))


def test_it_asks_for_the_version_it_was_written_for(plugin):
    assert ctypes.c_int.in_dll(plugin, "qemu_plugin_version").value == TRIED


@pytest.mark.parametrize("version", [0, 2, 4])
def test_other_versions_are_refused_in_one_line(plugin, capfd, tmp_path, version):
    table = tmp_path / "board.txt"
    params.write(hardware.board("rk3288"), table)
    options = (ctypes.c_char_p * 1)(f"params={table}".encode())
    info = Info(b"arm", 0, version)
    assert plugin.qemu_plugin_install(ctypes.c_uint64(1), ctypes.byref(info), 1, options) != 0
    printed = capfd.readouterr().err
    assert printed.count("\n") == 1
    assert f"version {version} of the plugin interface" in printed


@pytest.mark.parametrize(
    "says",
    [
        # Of QEMU 9, before it loads the plugin; of ours, and what QEMU adds.
        "qemu-arm: Could not load plugin ./libemulator.so: plugin requires API version 1, but this "
        "QEMU supports only a minimum version of 2",
        "emulator: this QEMU has version 3 of the plugin interface, tried is version 1\n"
        "qemu-arm: Could not load plugin ./libemulator.so: qemu_plugin_install returned error code",
    ],
)
def test_the_fix_is_another_qemu(monkeypatch, tmp_path, says):
    program = tmp_path / "built"
    program.write_bytes(b"")
    monkeypatch.setattr(build, "server_binary", lambda *_: program)
    monkeypatch.setattr(build, "emulator_plugin", lambda *_: program)
    qemu = tmp_path / "qemu-arm"
    qemu.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{says}\nEND\nexit 1\n")
    qemu.chmod(0o755)
    monkeypatch.setenv("TVM_ARM_QEMU_DIR", str(tmp_path))
    with pytest.raises(UserError) as caught:
        EmulatedBoard(hardware.board("rk3288"))
    assert says.splitlines()[0] in caught.value.message
    assert "\n" not in str(caught.value)
    assert caught.value.fix.startswith("install QEMU 7.2")
