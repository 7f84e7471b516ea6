"""The build cache, on a small program for the machine the tests run on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tuner.board import build, objects, toolchain
from tuner.board.objects import ObjectCache, Unit
from tuner.errors import UserError


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Sources of a program that prints 42, and an empty cache."""
    monkeypatch.setenv("TVM_ARM_SCHEDULES_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "answer.h").write_text("int answer(void);\n")
    (folder / "answer.c").write_text('#include "answer.h"\nint answer(void) { return 42; }\n')
    (folder / "main.c").write_text(
        '#include <stdio.h>\n#include "answer.h"\n'
        'int main(void) { printf("%d\\n", answer()); return 0; }\n'
    )
    return folder


@pytest.fixture
def tools(tmp_path) -> toolchain.Toolchain:
    """The host's C compiler, which writes a line to compiler.log at each run."""
    real = toolchain.find_host()
    wrapper = tmp_path / "cc"
    wrapper.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/compiler.log\nexec {real.compiler[0]} "$@"\n'
    )
    wrapper.chmod(0o755)
    return toolchain.Toolchain("host", (str(wrapper),), real.linker, real.identity)


def units(project: Path, *flags: str) -> list[Unit]:
    return [
        Unit(path.stem, (path,), (project,), flags=flags, language="c")
        for path in sorted(project.glob("*.c"))
    ]


def make(project: Path, tools: toolchain.Toolchain, *flags: str) -> Path:
    return build.build_program(
        "answer",
        units(project, *flags),
        tools,
        link=lambda objects, output: [*tools.compiler, *objects, "-o", output],
        title="building",
        progress=False,
    )


def compiler_runs(tools: toolchain.Toolchain) -> int:
    log = Path(tools.compiler[0]).with_name("compiler.log")
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_builds_once(project, tools):
    program = make(project, tools)
    assert subprocess.check_output([program]) == b"42\n"
    assert compiler_runs(tools) == 3  # two objects and the program
    assert make(project, tools) == program
    assert compiler_runs(tools) == 3


def test_only_what_changed_is_compiled(project, tools):
    first = make(project, tools)
    (project / "answer.c").write_text('#include "answer.h"\nint answer(void) { return 43; }\n')
    second = make(project, tools)
    assert second != first
    assert subprocess.check_output([second]) == b"43\n"
    assert compiler_runs(tools) == 3 + 2


def test_what_was_not_used_for_long_is_removed(project, tools):
    cache = build.cache_folder()
    month = 31 * 24 * 3600
    first = make(project, tools)
    killed = cache / "objects" / "tmp_of_a_killed_compiler"
    killed.mkdir()
    for path in (killed, first.parent, *(cache / "objects").glob("*.o")):
        os.utime(path, (0, path.stat().st_mtime - month))
    make(project, tools)  # this is a use
    second = make(project, tools, "-O1")
    assert first.exists() and second.exists()
    assert not killed.exists()
    assert len(list((cache / "objects").glob("*.o"))) == 2  # the second one's
    os.utime(first.parent, (0, first.parent.stat().st_mtime - month))
    make(project, tools, "-O2")
    assert not first.exists() and second.exists()


def test_interrupted_build_continues(project, tools):
    cache = ObjectCache(build.cache_folder() / "objects", tools)
    cache.compile(units(project)[:1], "building", progress=False)
    make(project, tools)
    assert compiler_runs(tools) == 3


@pytest.mark.parametrize("name", ["answer.c", "answer.h"])
def test_an_edit_during_the_build_spoils_nothing(project, tools, monkeypatch, name):
    run_compiler = objects.run_compiler

    def edit_meanwhile(command: list[str], what: str, text: str = "") -> None:
        run_compiler(command, what, text)
        with (project / name).open("a") as file:
            file.write("// edited\n")

    monkeypatch.setattr(objects, "run_compiler", edit_meanwhile)
    with pytest.raises(UserError, match="answer changed during the build"):
        ObjectCache(build.cache_folder() / "objects", tools).compile(
            units(project)[:1], "building", progress=False
        )
    assert not list((build.cache_folder() / "objects").glob("*.o"))


@pytest.mark.parametrize("change", ["header", "flags", "compiler", "isa"])
def test_keys_depend_on(change, project, tools):
    cache = ObjectCache(build.cache_folder(), tools)
    before = cache.key(units(project))
    assert ObjectCache(build.cache_folder(), tools).key(units(project)) == before
    flags = ()
    if change == "header":
        (project / "answer.h").write_text("long answer(void);\n")
    elif change == "flags":
        flags = ("-O1",)
    else:
        isa = "armv7" if change == "isa" else tools.isa
        identity = "cc 99" if change == "compiler" else tools.identity
        tools = toolchain.Toolchain(isa, tools.compiler, tools.linker, identity)
    assert ObjectCache(build.cache_folder(), tools).key(units(project, *flags)) != before


def test_keys_do_not_depend_on_where_the_sources_are(project, tools):
    cache = ObjectCache(build.cache_folder(), tools)
    before = cache.key(units(project))
    moved = project.rename(project.with_name("moved"))
    assert ObjectCache(build.cache_folder(), tools).key(units(moved)) == before


def test_first_error_is_shown(project, tools):
    (project / "answer.c").write_text("int answer(void) { return nonsense; }\n")
    with pytest.raises(UserError, match=r"compiling answer with .* failed: .*nonsense") as caught:
        make(project, tools)
    assert "\n" not in str(caught.value)
    assert caught.value.fix


def test_missing_compiler(project, tools):
    gone = toolchain.Toolchain("host", ("/no/such/cc",), ("ld",), "gone")
    with pytest.raises(UserError, match="cannot run /no/such/cc"):
        make(project, gone)


def test_a_compiler_that_writes_nothing(project):
    silent = toolchain.Toolchain("host", ("true",), ("ld",), "silent")
    with pytest.raises(UserError, match="true reports no error but wrote no"):
        make(project, silent)


def test_unusable_cache(project, tools, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TVM_ARM_SCHEDULES_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot use the cache folder") as caught:
        make(project, tools)
    assert "TVM_ARM_SCHEDULES_CACHE" in caught.value.fix


def test_two_processes_build_once(project, tools):
    script = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from pathlib import Path
from test_build import make
from tuner.board.toolchain import Toolchain
print(make(Path({str(project)!r}), {tools!r}))
"""
    command = [sys.executable, "-c", script]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    programs = {process.communicate()[0] for process in processes}
    assert len(programs) == 1
    assert programs == {f"{make(project, tools)}\n"}
    assert compiler_runs(tools) == 3


def test_where_the_sources_lie_is_not_in_the_program(tmp_path):
    """A path in a program would move its data, and with them the model's cycles."""
    programs = []
    for place in ("here", "in/a/longer/place"):
        folder = tmp_path / place / "project"
        folder.mkdir(parents=True)
        (folder / "name.c").write_text("const char *name(void) { return __FILE__; }\n")
        cache = ObjectCache(tmp_path / place / "cache", toolchain.find_host())
        programs += [path.read_bytes() for path in cache.compile(units(folder), "building", False)]
    assert programs[0] == programs[1]
    assert b"project/name.c" in programs[0]
