"""Kills a tuner again and again; a program of its own, whose forks need not import TVM anew.

python killed_runs.py LOG TRIALS KILLS: prints a JSON array, for each kill the trials that were
begun and those that were written, and at the end, after a run that nobody kills, the best.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import small_runs

from tuner.measure import pipeline

_LONGEST_S, _PATIENCE_S = 0.4, 20.0


def _note_begun(path: Path) -> None:
    """Have each run on the board noted in a file, which a kill does not undo."""
    run_candidate = pipeline.run_candidate

    def noted(*arguments):
        with path.open("ab", buffering=0) as file:
            file.write(b"x")
        return run_candidate(*arguments)

    pipeline.run_candidate = noted


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _wait_until_begun(begun: Path, size: int) -> None:
    give_up_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up_s:
        if begun.exists() and begun.stat().st_size > size:
            return
        time.sleep(0.01)


def main(log: Path, trials: int, kills: int) -> None:
    begun = log.with_suffix(".begun")
    _note_begun(begun)
    chance = random.Random(0)
    counts = []
    for kill in range(kills + 1):
        before = _lines(log), begun.stat().st_size if begun.exists() else 0
        child = os.fork()
        if child == 0:
            search, observer = small_runs.run(log, trials)
            if kill < kills:  # it was done before its time
                time.sleep(60)
            best = search.best
            print(json.dumps([counts, best.key, best.costs_s, observer.known]), flush=True)
            os._exit(0)
        if kill < kills:
            if kill % 5:  # the others die before they reach the board, or whenever
                _wait_until_begun(begun, before[1])
            time.sleep(chance.uniform(0, _LONGEST_S))
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        after = _lines(log), begun.stat().st_size if begun.exists() else 0
        counts.append((after[1] - before[1], after[0] - before[0]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
