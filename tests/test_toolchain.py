"""The search for compilers, linkers and QEMU, and what is said when one is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from board_kernels import BROKEN, session_with
from conftest import ISA_BOARDS

from tuner import cli
from tuner.board import build, launch, link, runtime_sources, toolchain
from tuner.errors import UserError

VARIABLES = ("TVM_ARM_CXX_ARMV7", "TVM_ARM_CXX_AARCH64", "TVM_ARM_HOST_CC")


@pytest.fixture(autouse=True)
def fresh_search(monkeypatch):
    """Answers are remembered within a process; here each test asks anew."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    caches = (toolchain.find, toolchain.find_host, runtime_sources.find)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def bare_machine(monkeypatch, tmp_path):
    """No program on the PATH, no ziglang."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "_zig", lambda: None)


def fake_compiler(path, version="fakec++ 1.0", exit_code=0):
    """A program that answers the questions we ask compilers."""
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *print-prog-name*) echo fake-ld;; *) echo "{version}";; esac\n'
        f"exit {exit_code}\n"
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("isa", toolchain.isas())
def test_environment_comes_first(isa, monkeypatch, tmp_path):
    compiler = fake_compiler(tmp_path / "cc")
    monkeypatch.setenv(f"TVM_ARM_CXX_{isa.upper()}", f"{compiler} -march=armv8-a")
    found = toolchain.find(isa)
    assert found.compiler == (compiler, "-march=armv8-a")
    assert found.linker == ("fake-ld",)
    assert "fakec++ 1.0" in found.identity
    assert "-march=armv8-a" in found.identity


@pytest.mark.parametrize("command", ["/no/such/compiler", "'", " ", "false"])
def test_environment_that_does_not_run(monkeypatch, command):
    monkeypatch.setenv("TVM_ARM_CXX_ARMV7", command)
    with pytest.raises(UserError, match="does not run as a compiler") as caught:
        toolchain.find("armv7")
    assert "TVM_ARM_CXX_ARMV7" in caught.value.fix


def test_zig_stands_in(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    zig = fake_compiler(tmp_path / "zig", "0.17.1")
    monkeypatch.setattr(toolchain, "_zig", lambda: zig)
    found = toolchain.find("armv7")
    assert found.compiler[:2] == (zig, "c++")
    assert found.linker == (zig, "ld.lld")
    assert toolchain.find_host().compiler == (zig, "cc")


@pytest.mark.parametrize("isa", toolchain.isas())
def test_no_compiler(isa, bare_machine):
    with pytest.raises(UserError, match=f"no C\\+\\+ compiler for {isa} found") as caught:
        toolchain.find(isa)
    assert "apt-get install g++-" in caught.value.fix
    assert "pip install ziglang" in caught.value.fix


def test_no_host_compiler(bare_machine):
    with pytest.raises(UserError, match="no C compiler for this machine found") as caught:
        build.emulator_plugin(progress=False)
    assert "apt-get install gcc" in caught.value.fix


@pytest.mark.parametrize("isa", toolchain.isas())
def test_no_qemu(isa, bare_machine, monkeypatch):
    monkeypatch.delenv("TVM_ARM_QEMU_DIR", raising=False)
    with pytest.raises(UserError, match=r"qemu-.* is not on the PATH") as caught:
        launch.find_qemu(isa)
    assert caught.value.fix == "apt-get install qemu-user"


def test_static_qemu_will_do(bare_machine, monkeypatch, tmp_path):
    monkeypatch.setenv("TVM_ARM_QEMU_DIR", str(tmp_path))
    static = fake_compiler(tmp_path / "qemu-arm-static")
    assert str(launch.find_qemu("armv7")) == static


def test_other_series_of_tvm(monkeypatch):
    monkeypatch.setattr(runtime_sources.importlib.metadata, "version", lambda name: "0.28.0")
    with pytest.raises(
        UserError, match=r"sources of TVM 0\.27, but 0\.28\.0 is installed"
    ) as caught:
        runtime_sources.find()
    assert caught.value.fix.startswith("pip install 'apache-tvm==0.27")


@pytest.mark.parametrize(
    "name, version", [("apache_tvm", "0.26.0"), ("apache_tvm_ffi", "0.1.15.post2")]
)
def test_the_command_line_says_so_before_it_imports_tvm(tmp_path, name, version):
    folder = tmp_path / f"{name}-{version}.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
    (folder / "METADATA").write_text(metadata)
    root = Path(cli.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-m", "tuner", "boards"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert version in result.stderr and "pip install" in result.stderr
    assert result.stderr.count("\n") == 1


def test_all_runtime_sources_are_there():
    sources = runtime_sources.find()
    assert sum(map(len, sources.groups.values())) > 35


def test_link_error_is_one_line(tmp_path, monkeypatch):
    junk = tmp_path / "junk.o"
    junk.write_text("no object")
    monkeypatch.setattr(
        toolchain, "find", lambda isa: toolchain.Toolchain(isa, ("c++",), ("ld",), "")
    )
    with pytest.raises(UserError, match=r"linking a kernel for armv7 failed: .*junk\.o"):
        link.fcompile("armv7")(str(tmp_path / "k.so"), [str(junk)])


def test_linker_gets_options(tmp_path, monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(link.subprocess, "run", run)
    monkeypatch.setattr(
        toolchain, "find", lambda isa: toolchain.Toolchain(isa, ("c++",), ("the-ld",), "")
    )
    link.fcompile("armv7")("k.so", ["a.o", "b.o"], options=["--strip-all"])
    assert commands == [["the-ld", "-shared", "-o", "k.so", "--strip-all", "a.o", "b.o"]]


HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


@pytest.fixture(params=["environment", "debian", "ziglang"])
def present(request, monkeypatch, tmp_path):
    """`present(isa)` finds that compiler and no other; skips where it is not installed."""

    def find(isa: str) -> toolchain.Toolchain:
        toolchain.find.cache_clear()
        debian = shutil.which(toolchain.debian_tool(isa, "g++"))
        if request.param == "ziglang":
            if toolchain._zig() is None:
                pytest.skip("ziglang is not installed")
            monkeypatch.setenv("PATH", str(tmp_path))  # no other one is seen
            found = toolchain.find(isa)
            assert found.compiler[0] == toolchain._zig()
            return found
        if debian is None:
            pytest.skip(f"no {toolchain.debian_tool(isa, 'g++')}")
        if request.param == "environment":
            monkeypatch.setenv(f"TVM_ARM_CXX_{isa.upper()}", f"{debian} -g0")
            assert toolchain.find(isa).compiler == (debian, "-g0")
        else:
            assert toolchain.find(isa).compiler == (debian,)
        return toolchain.find(isa)

    return find


@pytest.mark.board
@pytest.mark.parametrize("isa", toolchain.isas())
def test_a_kernel_it_makes_runs(isa, present, tmp_path, running_board):
    board, kernel = running_board(ISA_BOARDS[isa]), tmp_path / "kernel"
    command = [*present(isa).compiler, "-O1", "-fPIC", "-c", "-x", "c++", "-"]
    subprocess.run([*command, "-o", f"{kernel}.o"], input=BROKEN, text=True, check=True)
    link.fcompile(isa)(f"{kernel}.so", [f"{kernel}.o"])
    with session_with(board, Path(f"{kernel}.so")) as (_, module):
        assert module["add_one"](41) == 42


@pytest.mark.board
@pytest.mark.parametrize("isa", toolchain.isas())
def test_a_static_program_it_makes_runs(isa, present, tmp_path):
    qemu, program = launch.find_qemu(isa), tmp_path / "hello"
    command = [*present(isa).compiler, "-x", "c", "-O2", "-static", "-", "-o", str(program)]
    subprocess.run(command, input=HELLO, text=True, check=True)
    assert subprocess.check_output([qemu, program], text=True) == "hello\n"
