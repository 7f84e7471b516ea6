"""Tuned records as a source of configs: files of JSON lines that the tuner wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .fire_workload import VERSIONS
from .knobs import Config
from .registry import get, list_schedules

_NEWEST = 1  # the version of the format, field `v`
_START = b'{"v"'  # of every record


@dataclass(frozen=True)
class Recorded:
    """A measured config.

    Attributes:
        core: name of the core it was measured on.
        workload: key of the workload.
        schedule, version: which code it configures.
        cost_s: its best time, seconds.
        threads: of the board that measured it; None where that is not known.
    """

    core: str
    workload: str
    schedule: str
    version: int
    config: Config
    cost_s: float
    threads: int | None = None

    def serves(self, threads: int | None) -> bool:
        """Whether it says something of a build that runs on `threads` threads; None: on any.

        What is best on one thread is not on several, which share a memory bus.
        """
        return None in (threads, self.threads) or (threads == 1) == (self.threads == 1)

    @property
    def is_current(self) -> bool:
        """Whether the schedule exists and still means the same by the config."""
        if self.schedule in VERSIONS:
            return VERSIONS[self.schedule] == self.version
        return self.schedule in list_schedules() and get(self.schedule).version == self.version


Fastest = Mapping[str, Mapping[str, tuple[Recorded, ...]]]
"""Core name -> workload key -> what was recorded, the fastest first."""


def read(path: str | Path) -> list[Recorded]:
    """The successful records of a log of the tuner, or of a file that `tuner best` wrote.

    Lines that a kill cut short, or that a running tuner is writing, are passed over.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no record, or of a newer version; the message has file and line.
    """
    lines = Path(path).read_bytes().splitlines()
    parsed = (_parse(path, number, line) for number, line in enumerate(lines, 1) if line)
    return [record for record in parsed if record is not None]


def _parse(path: str | Path, number: int, line: bytes) -> Recorded | None:
    """The record on one line; None for a torn line or a failed trial."""
    not_a_record = ValueError(
        f"line {number} of {path} is not a record: give a log of the tuner, or a file that "
        "`python -m tuner best LOG` wrote"
    )
    try:
        record = json.loads(line)
    except ValueError:
        if line.startswith(_START) or _START.startswith(line):
            return None
        raise not_a_record from None
    try:
        if record.get("kind") == "run":  # about a whole run, not about one config
            return None
        if record["v"] > _NEWEST:
            raise ValueError(
                f"line {number} of {path} was written by a newer tuner (format {record['v']}, this "
                f"package reads up to {_NEWEST}): update the package, or give another file"
            )
        if not record["costs_s"]:
            return None
        return Recorded(
            core=str(record["core"]),
            workload=str(record["workload"]),
            schedule=str(record["schedule"]["name"]),
            version=record["schedule"]["version"],
            config=dict(record["config"]),
            cost_s=min(float(cost) for cost in record["costs_s"]),
            threads=record.get("board", {}).get("threads"),
        )
    except (AttributeError, KeyError, TypeError):
        raise not_a_record from None


def fastest(records: Iterable[Recorded]) -> Fastest:
    """`records` by core and workload."""
    sorted_: dict[str, dict[str, list[Recorded]]] = {}
    for record in sorted(records, key=lambda each: each.cost_s):
        sorted_.setdefault(record.core, {}).setdefault(record.workload, []).append(record)
    return {
        core: {key: tuple(each) for key, each in by_key.items()} for core, by_key in sorted_.items()
    }
