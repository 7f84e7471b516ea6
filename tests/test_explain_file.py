"""`python -m tuner explain FILE.so`: loops of a kernel library, read or run."""

from __future__ import annotations

import pytest
from board_kernels import MATMUL, matmul

from tuner import cli
from tuner.board import disassembly
from tuner.errors import UserError

TARGETS = {"armv7": "cortex-a17", "aarch64": "cortex-a53"}
# As objdump writes it: two nested loops, of which the inner has two ways back; and a constant.
LISTING = """
k.so:     file format elf64-littleaarch64

0000000000000100 <kernel>:
 100:\tmov\tx0, #0x4                   \t// #4
 104:\tadd\tx1, x1, x2
 108:\tldr\tq0, [x1]
 10c:\tcbz\tx3, 108 <kernel+0x8>
 110:\tfmla\tv8.4s, v0.4s, v1.s[0]
 114:\tb.ne\t108 <kernel+0x8>  // b.any
 118:\tsubs\tx0, x0, #0x1
 11c:\tb.ne\t104 <kernel+0x4>  // b.any
 120:\tret
 124:\t.word\t0x00000330

0000000000000200 <other>:
 200:\tb\t100 <kernel>
 204:\tfrobnicate\tx0
 208:\ttbnz\tw1, #0, 204 <other+0x4>
"""


@pytest.fixture
def listed(monkeypatch):
    """Any library disassembles to LISTING."""
    monkeypatch.setattr(disassembly, "require_isa", lambda *_: None)
    monkeypatch.setattr(disassembly, "_disassemble", lambda *_: LISTING)


def test_loops_are_found(listed, tmp_path):
    inner, alone = disassembly.innermost_loops(tmp_path / "k.so", "aarch64")
    assert (inner.function, inner.address, inner.depth) == ("kernel", 0x108, 2)
    assert inner.lines == (
        *("ldr q0, [x1]", "cbz x3, #0x108", "fmla v8.4s, v0.4s, v1.s[0]", "b.ne #0x108"),
    )
    assert (alone.function, alone.address, alone.depth) == ("other", 0x204, 1)


def explain(capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    code = 0
    try:
        cli.main(["explain", *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_what_the_model_does_not_know_is_named(listed, capsys):
    code, out, _ = explain(capsys, "k.so", "--target", "cortex-a53")
    assert code == 0
    assert "2 innermost loops" in out
    assert out.index("kernel at 0x108") < out.index("other at 0x204")  # it computes
    assert "timing not known, taken for one cycle: frobnicate x0" in out


@pytest.mark.parametrize("isa, target", TARGETS.items())
def test_a_library_is_read(isa, target, capsys):
    library = matmul(isa)
    code, out, _ = explain(capsys, str(library), "--target", target, "--loops", "99", "--whole")
    assert code == 0
    assert f"{library.name}: " in out and "(emulated, timing model v" in out
    assert {"armv7": "vadd.f32", "aarch64": "fadd"}[isa] in out
    assert "timing not known" not in out


@pytest.mark.parametrize(
    "arguments, phrase",
    [
        (["none.so"], "cannot read none.so: No such file"),
        (["text.so"], "text.so is no kernel library"),
        (["squeezenet"], "--layer is missing"),
        (["squeezenet", "--layer", "conv1", "--shape", "1"], "--shape is for a library"),
        (["none.so", "--layer", "conv1"], "a library has no layers"),
        (["text.so", "--shape", "1,x"], "--shape takes numbers, not '1,x'"),
        (["text.so", "--shape", "1,0"], "--shape takes numbers, not '1,0'"),
    ],
)
def test_bad_input_is_one_line(arguments, phrase, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.so").write_text("hello")
    code, out, err = explain(capsys, *arguments, "--target", "rk3288")
    assert (code, out) == (2, "")
    assert phrase in err and err.count("\n") == 1


def test_a_library_of_another_machine(capsys):
    code, _, err = explain(capsys, str(matmul("armv7")), "--target", "rpi4")
    assert code == 2
    assert "is compiled for armv7, not for aarch64; choose another --target" in err


def test_no_disassembler(monkeypatch, tmp_path):
    library = matmul("armv7")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as caught:
        disassembly.innermost_loops(library, "armv7")
    assert "apt-get install binutils-arm-linux-gnueabihf" in caught.value.fix
    assert "--shape" in caught.value.fix


@pytest.mark.board
@pytest.mark.parametrize("isa, target", TARGETS.items())
def test_a_library_is_run(isa, target, capsys):
    rows, depth, columns = MATMUL
    shapes = [(rows, depth), (depth, columns), (rows, columns)]
    options = [word for m, n in shapes for word in ("--shape", f"{m},{n}")]
    code, out, _ = explain(capsys, str(matmul(isa)), "--target", target, *options, "--loops", "1")
    assert code == 0
    assert "main of matmul" in out and "(emulated, timing model v" in out
    assert "1. " in out and "at best, in cycles" in out


@pytest.mark.board
def test_a_library_that_does_not_run(capsys):
    library = str(matmul("armv7"))
    code, _, err = explain(capsys, library, "--target", "rk3288", "--shape", "3,4")
    assert code == 2
    assert "Expected 3 arguments" in err and "the result included" in err
    assert err.count("error: ") == 1
