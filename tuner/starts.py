"""Configs to try first: where a search begins beside the hand-picked ones. No times of ours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuner.errors import UserError
from tuner.search import Candidate
from tuner.task_search import TaskSearch

VERSION = 1
KIND = "start"


@dataclass(frozen=True)
class Start:
    """A config that somebody found good elsewhere. docs/formats.md has the format of a line.

    Attributes:
        workload: `Conv2dWorkload.key`.
        schedule: name and version.
        config: knob -> value.
        origin: where it comes from; for people only.
    """

    workload: str
    schedule: Mapping[str, Any]
    config: Mapping[str, int | str]
    origin: Mapping[str, Any]

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.schedule["name"], self.schedule["version"], self.config)


def write(path: Path, starts: Iterable[Start]) -> None:
    """Write `starts` to `path`, in order.

    Raises:
        UserError: it cannot be written.
    """
    lines = [json.dumps({"v": VERSION, "kind": KIND, **asdict(start)}) + "\n" for start in starts]
    try:
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}", "choose another -o"
        ) from error


def read(path: Path) -> list[Start]:
    """Return the configs in the file at `path`, in order.

    Raises:
        UserError: the file cannot be read, or a line is none of these, or of a newer version.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}", "name another file with --try-first"
        ) from error
    return [_parse(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _parse(path: Path, number: int, line: bytes) -> Start:
    try:
        document = json.loads(line)
        if document["v"] > VERSION:
            raise UserError(
                f"line {number} of {path} is of a newer format ({document['v']}, this tuner reads "
                f"up to {VERSION})",
                "upgrade with `git pull && pip install -e .`, or import the log again",
            )
        if document["kind"] != KIND or not isinstance(document["workload"], str):
            raise TypeError
        start = Start(
            document["workload"],
            dict(document["schedule"]),
            dict(document["config"]),
            dict(document["origin"]),
        )
        _ = start.candidate  # looks at the fields that it is made of
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"line {number} of {path} is no config to try first",
            "give a file that `python -m tuner import-autotvm LOG` wrote",
        ) from None
    return start


def give(starts: Sequence[Start], searches: Sequence[TaskSearch]) -> int:
    """Have each search try the configs for its convolution right behind the hand-picked ones.

    What is not legal there, of another version of a schedule, or tried anyway is left out.

    Returns:
        How many will be tried.
    """
    for search in searches:
        known = {candidate.key for candidate in search.space.starts()}
        for start in starts:
            if start.workload != search.task.workload.key or start.candidate.key in known:
                continue
            if start.candidate in search.space:
                known.add(start.candidate.key)
                search.first.append(start.candidate)
    return sum(len(search.first) for search in searches)
