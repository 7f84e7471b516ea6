"""The emulator's C sources: no compiler warns, the model has integers only, no headers of QEMU."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tuner.board import arithmetic, emulator, toolchain

MODEL = Path(emulator.__file__).parent
ARITHMETIC = Path(arithmetic.__file__).parent
FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-Wall", "-Wextra", "-Werror", "-c")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"[^\"\n]*\"", re.DOTALL)


@pytest.mark.parametrize("name", ["gcc", "clang", "zig"])
def test_no_warnings(name, tmp_path):
    command = [toolchain._zig() or "", "cc"] if name == "zig" else [shutil.which(name) or ""]
    if not command[0]:
        pytest.skip(f"no {name}")
    for source in (*MODEL.glob("*.c"), *ARITHMETIC.glob("*.c")):
        done = subprocess.run(
            [*command, *FLAGS, f"-I{MODEL}", f"-I{ARITHMETIC}", source, "-o", tmp_path / "unit.o"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


def test_integers_only():
    """So that cycles do not depend on the host."""
    for path in MODEL.glob("*.[ch]"):
        code = _COMMENT.sub("", path.read_text(encoding="utf-8"))
        assert not re.search(r"\b(float|double|math\.h)\b", code), path.name
        assert not re.search(r"#include <(glib|qemu)", code), path.name


def test_no_header_has_the_name_of_a_standard_one():
    """The server includes some of these beside the headers of C++, which want <limits.h>."""
    standard = (
        "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal "
        "stdarg stdatomic stdbool stddef stdint stdio stdlib string tgmath threads time uchar wchar"
    )
    ours = {path.stem for folder in (MODEL, ARITHMETIC) for path in folder.glob("*.h")}
    assert ours and not ours & set(standard.split())
