"""docs/write-a-schedule.md: a short example, and a conformance suite that passes as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "write-a-schedule.md"
EXAMPLE = ROOT / "docs" / "examples" / "my_schedule.py"


def test_the_example_is_short():
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) <= 120
    assert f"in {len(lines)} lines" in PAGE.read_text().replace("\n", " ")


def test_the_suite_on_the_page_passes(tmp_path):
    """In a process of its own: the schedule would else be registered for all other tests."""
    block = re.search(r"<!-- test: the suite -->\n```python\n(.*?)```", PAGE.read_text(), re.S)
    assert block is not None
    test = tmp_path / "test_mine.py"
    test.write_text(block[1])
    paths = os.pathsep.join([str(ROOT), str(EXAMPLE.parent)])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout
    assert "8 passed" in run.stdout
