"""Scratch folders of boards: made at the start, removed at the end, swept after a crash."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import filelock

_PREFIX = "tvm-arm-board-"
_LOCK = "owner.lock"
# A younger folder may belong to a process that has not locked it yet.
_SURELY_LOCKED_S = 60.0


class ScratchFolder:
    """A new folder under the system's one for temporary files.

    This process holds a lock in it for as long as it lives, so that others can tell a folder in
    use from one that a killed process left behind. The latter are removed here.

    Attributes:
        path: the folder.
    """

    def __init__(self) -> None:
        _sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_place()))
        self._lock = filelock.FileLock(self.path / _LOCK)
        self._lock.acquire()

    def remove(self) -> None:
        """Remove the folder with all that is in it. May be called twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _sweep() -> None:
    newest = time.time() - _SURELY_LOCKED_S
    for folder in Path(_place()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or another process removes it too
            if folder.stat().st_mtime <= newest and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    path = folder / _LOCK
    if not path.exists():
        return False
    try:
        with filelock.FileLock(path, timeout=0):
            return True
    except filelock.Timeout:
        return False


def _place() -> str:
    """/tmp even where TMPDIR says otherwise: the guest's stack holds the path of its program, whose
    length should not depend on the user's settings."""
    return "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else tempfile.gettempdir()
