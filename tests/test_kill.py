"""Real runs, killed at fifty random moments: nothing but what was in flight is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import small_runs

from tuner import records

_TRIALS, _KILLS = 100, 50
_BATCH = 16  # trials of a round


@pytest.mark.long
@pytest.mark.board
def test_a_run_that_was_killed_fifty_times_ends_as_one_that_was_not(armv7_board, tmp_path):
    # The fixture is there so that the board's programs are built: kills are to hit runs, not that.
    killed, whole = tmp_path / "killed.jsonl", tmp_path / "whole.jsonl"
    program = Path(__file__).with_name("killed_runs.py")
    done = subprocess.run(
        [sys.executable, str(program), str(killed), str(_TRIALS), str(_KILLS)],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    counts, best_key, best_costs_s, known = json.loads(done.stdout)
    assert len(counts) == _KILLS
    # At most the batch in flight is lost (a torn line counts as written once it is ended).
    assert all(begun - written <= _BATCH for begun, written in counts)
    assert known > 0

    # Nothing known was measured again: every line that is whole is another trial's.
    found = records.read(killed)
    assert len({record.key for record in found}) == len(found) == _TRIALS

    search, observer = small_runs.run(whole, _TRIALS)
    assert observer.new == _TRIALS
    assert (best_key, tuple(best_costs_s)) == (search.best.key, search.best.costs_s)
    assert _times(killed) == _times(whole)


def _times(path):
    return {record.key: (record.costs_s, record.error) for record in records.read(path)}
