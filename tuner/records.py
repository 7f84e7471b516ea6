"""The log: one JSON object a line, only ever appended to, safe against a kill at any byte.

Most lines are trials; some are about a whole run (`tuner.runs`). A line is written with one
`write`, then fsync. What a kill can leave is one torn line at the end: it is ignored when read, and
the next writer starts on a new line. docs/tune.md has the format.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

import filelock

from tuner.errors import UserError
from tuner.runs import KIND, Run

VERSION = 2
_TRIAL_VERSION, _RUN_VERSION = 1, 2  # of a line: the lowest that knows all of it
# Every line begins so, which tells a torn one from a file that is no log.
_START = b'{"v": '
# What was measured with the convolution before records said it.
_OLD_EPILOGUE = ("bias", "relu")
# They may come from a busy host or network: another attempt can end otherwise.
_TRANSIENT = ("build timeout", "run timeout", "lost connection")


@dataclass(frozen=True)
class Record:
    """One trial: a config that was built, run, checked and timed on a board.

    Attributes:
        time: when the trial ended, ISO 8601, UTC.
        network: the network it was measured for.
        workload: `Conv2dWorkload.key` or `FireWorkload.key`.
        core: core type, e.g. "cortex-a17".
        board: name, emulated, model, threads, fingerprint (all that decides a measured time).
        schedule: name and version.
        config: knob -> value.
        epilogue: what the same kernel computed after the convolution; old logs do not say.
        costs_s: seconds of each timed run; empty after an error.
        cycles: core cycles of the best run; None where the clock is not known.
        error: kind and text, or None.
        check: max_err, the largest error of an output element, and its bound; or None.
        build_s, run_s: wall seconds spent on this host.
        static: what the compiled code tells without running (`measure.static_facts`), if known.
        versions: tvm, llvm and this project.
        unknown: fields of other versions, kept as they are.
    """

    time: str
    network: str | None
    workload: str
    core: str
    board: Mapping[str, Any]
    schedule: Mapping[str, Any]
    config: Mapping[str, int | str]
    epilogue: tuple[str, ...] = _OLD_EPILOGUE
    costs_s: tuple[float, ...] = ()
    cycles: int | None = None
    error: Mapping[str, str] | None = None
    check: Mapping[str, float | None] | None = None
    build_s: float = 0.0
    run_s: float = 0.0
    static: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cost_s(self) -> float | None:
        """Seconds of the best timed run, or None after an error."""
        return min(self.costs_s) if self.error is None and self.costs_s else None

    @property
    def place(self) -> tuple[str, tuple[str, ...], str]:
        """Workload, epilogue and fingerprint: equal for two records whose times compare."""
        return self.workload, self.epilogue, self.board["fingerprint"]

    @property
    def key(self) -> str:
        """What was measured: equal for two records of the same config on the same board."""
        return trial_key(*self.place, self.schedule, self.config)

    @property
    def is_final(self) -> bool:
        """Whether measuring again would give the same."""
        return self.error is None or self.error.get("kind") not in _TRANSIENT

    def to_json(self) -> str:
        """Return the record as one line of JSON without a line end."""
        known = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "unknown"}
        optional = ("network", "cycles", "error", "static")
        present = {k: v for k, v in known.items() if v is not None or k not in optional}
        return json.dumps({"v": _TRIAL_VERSION, **present, **self.unknown}, allow_nan=False)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Record:
        """Build a record from a parsed line.

        Raises:
            KeyError, TypeError: a field is missing or of another type.
        """
        known = {f.name for f in fields(cls)} - {"unknown"}
        values = {name: value for name, value in document.items() if name in known}
        values.setdefault("network", None)
        values["costs_s"] = tuple(values["costs_s"])
        values["epilogue"] = tuple(values.get("epilogue", _OLD_EPILOGUE))
        unknown = {k: v for k, v in document.items() if k not in known and k != "v"}
        record = cls(**values, unknown=unknown)
        record._require_types()
        return record

    def _require_types(self) -> None:
        """Raise a `KeyError` or `TypeError` unless all that is computed with can be."""
        if not all(map(_is_time, self.costs_s)):
            raise TypeError("costs_s holds no times")
        if not isinstance(self.config, Mapping):
            raise TypeError("config is no object")
        if not all(isinstance(each, Mapping | None) for each in (self.error, self.static)):
            raise TypeError("error or static is no object")
        if not isinstance(self.cycles, int | None):
            raise TypeError("cycles is no number")
        # Looks at all the fields that it is made of.
        _ = self.key


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0


def trial_key(
    workload: str,
    epilogue: Sequence[str],
    fingerprint: str,
    schedule: Mapping[str, Any],
    config: Mapping[str, int | str],
) -> str:
    """Return the text under which a trial's result is looked up."""
    steps, knobs = "+".join(epilogue), json.dumps(config, sort_keys=True)
    version = str(schedule["version"])
    return "|".join([workload, steps, fingerprint, schedule["name"], version, knobs])


def read(path: Path) -> list[Record]:
    """Return the trials in the log at `path`, in order; torn lines are left out.

    Raises:
        UserError: the file cannot be read, is no log, or is of a newer version.
    """
    return [entry for entry in _entries(path) if isinstance(entry, Record)]


def read_runs(path: Path) -> list[Run]:
    """Return what the log at `path` says of whole runs, in order; raises as `read` does."""
    return [entry for entry in _entries(path) if isinstance(entry, Run)]


def _require_file(path: Path) -> None:
    if path.exists() and not path.is_file():  # reading a device may never end
        kind = "folder" if path.is_dir() else "device"
        raise UserError(f"the log {path} is a {kind}", "name a file with --log")


def _entries(path: Path) -> Iterator[Record | Run]:
    _require_file(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the log {path}: {error.strerror}", "name another file with --log"
        ) from error
    for number, line in enumerate(content.splitlines(), start=1):
        entry = _parse(path, number, line)
        if entry is not None:
            yield entry


def _parse(path: Path, number: int, line: bytes) -> Record | Run | None:
    """Return what is on one line, or None for an empty or torn line."""
    if not line:
        return None
    not_a_log = UserError(
        f"line {number} of {path} is not a record of the tuner", "name another file with --log"
    )
    try:
        document = json.loads(line)
    except ValueError:
        if line.startswith(_START) or _START.startswith(line):
            return None
        raise not_a_log from None
    if not isinstance(document, dict) or not isinstance(document.get("v"), int):
        raise not_a_log
    if document["v"] > VERSION:
        raise UserError(
            f"line {number} of {path} was written by a newer tuner "
            f"(format {document['v']}, this one reads up to {VERSION})",
            "upgrade with `git pull && pip install -e .`, or name another file with --log",
        )
    is_run = document.pop("kind", None) == KIND
    try:
        return Run.from_json(document) if is_run else Record.from_json(document)
    except (KeyError, TypeError):
        raise not_a_log from None


class Log:
    """A log open for appending by this process alone; use as a context manager.

    Raises:
        UserError: the file cannot be read or written, or another tuner is writing it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, Record] = {}
        self._runs: list[Run] = []
        self._lock = filelock.FileLock(f"{path}.lock")
        self._file: BinaryIO | None = None

    def __enter__(self) -> Log:
        _require_file(self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            self._file = self.path.open("ab")
        except filelock.Timeout:
            raise UserError(
                f"another tuner is writing the log {self.path}",
                "wait for it to end, or name another file with --log",
            ) from None
        except OSError as error:
            self._lock.release()
            raise _cannot_write(self.path, error) from error
        try:
            self._remember(_entries(self.path))
            self._end_torn_line()
        except UserError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()
        self._lock.release()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, key: str) -> Record | None:
        """Return the record of the trial called `key` (see `trial_key`), if it was measured."""
        return self._known.get(key)

    def append(self, record: Record) -> None:
        """Write `record` and wait until it is on the disk."""
        self._write(record.to_json().encode() + b"\n")
        self._remember([record])

    @property
    def trials(self) -> list[Record]:
        """What it knows, in order."""
        return list(self._known.values())

    def append_run(self, run: Run) -> None:
        """Write `run`, unless the log says the same already."""
        if not any(run.says_the_same_as(known) for known in self._runs):
            line = json.dumps({"v": _RUN_VERSION, **run.to_json()}, allow_nan=False)
            self._write(line.encode() + b"\n")
            self._remember([run])

    def _remember(self, entries: Iterable[Record | Run]) -> None:
        for entry in entries:
            if isinstance(entry, Run):
                self._runs.append(entry)
            else:
                self._known[entry.key] = entry

    def _end_torn_line(self) -> None:
        size = self.path.stat().st_size
        if size == 0:
            return
        with self.path.open("rb") as file:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                self._write(b"\n")

    def _write(self, line: bytes) -> None:
        assert self._file is not None, "the log is open inside `with` only"
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write the log {path}: {error.strerror}",
        "free some space or allow writing, or name another file with --log",
    )
