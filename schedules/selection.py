"""Which schedule and config a convolution gets at compile time. It is never an error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from .conv2d import fire
from .fire_workload import IN_PIECES, ONE_FUNCTION, FireWorkload
from .hardware import Core
from .knobs import Config
from .recorded import Fastest, Recorded, fastest, read
from .registry import Schedule, find, get, list_schedules
from .workload import Conv2dWorkload

Choices = Mapping[str, tuple[str, Config]]
"""Workload key -> (schedule name, config)."""

NEIGHBOURHOOD = 1.0
"""The distance below which a recorded workload is a neighbour: less than twice the size in all.

Each shipped record left out in turn, on the emulated boards: neighbours this near were never slower
than the hand-picked default, those at 1.0 itself up to 34 % (docs/schedules.md).
"""

_RECORDS = Path(__file__).with_name("records")
_chosen: ContextVar[Choices | None] = ContextVar("chosen schedules", default=None)
_users: Fastest = {}


@contextmanager
def using(choices: Choices) -> Iterator[None]:
    """Inside the block exactly `choices` are used; other workloads get their hand-picked default.

    `using({})` therefore builds with defaults only, whatever records are shipped.
    """
    token = _chosen.set(choices)
    try:
        yield
    finally:
        _chosen.reset(token)


def use(*paths: str | Path) -> None:
    """From now on builds in this process use the tuned records in the files `paths`.

    They come before the records that are shipped. Another call replaces the files of the one
    before, and `use()` goes back to the shipped records alone.

    Args:
        paths: logs of the tuner, or files that `python -m tuner best LOG` wrote. Records of other
            cores, of schedules that are not registered and of other versions of schedules do no
            harm.

    Raises:
        OSError: a file cannot be read.
        ValueError: a line is no record; then the files in use stay as they were.
    """
    global _users
    _users = fastest(record for path in paths for record in read(path))


def choose(
    workload: Conv2dWorkload, core: Core, threads: int | None = None
) -> tuple[Schedule, Config] | None:
    """The schedule and config for `workload` on `core`; None when no schedule supports it.

    In this order: the choices of an enclosing `using`; a tuned record of this very workload and
    core, from the files of `use` and then from those shipped; the record of the nearest workload
    in them whose config is legal here; the hand-picked default of the most promising schedule.

    Args:
        threads: on which the build will run: of shipped records, those of one thread serve one
            thread, those of several threads several; of the user's such ones come first. None: not
            known, all serve.
    """
    choices = _chosen.get()
    if choices is not None:
        picked = _legal(*choices[workload.key], workload, core) if workload.key in choices else None
    else:
        picked = _recorded(workload, core, threads)
    if picked is not None:
        return picked
    candidates = find(workload, core)
    if not candidates:
        return None
    best = candidates[0]
    pick = best.default_for_one if threads == 1 else best.default
    return best, pick(workload, core)


def choose_fire(workload: FireWorkload, core: Core, threads: int | None = None) -> Config | None:
    """The config for a whole fire module on `core`; None where it is better left in pieces.

    In this order: the choices of an enclosing `using`, under the module's own key; a tuned record
    of this very module and core, from the files of `use` and then from those shipped; the
    hand-picked default where it pays. A choice may be to leave it in pieces. `threads` as for
    `choose`.
    """
    if not fire.supports(workload, core):
        return None
    choices = _chosen.get()
    if choices is not None:
        candidates = [choices[workload.key]] if workload.key in choices else []
    else:
        candidates = [
            (record.schedule, record.config)
            for source in _sources(core, threads)
            for record in source.get(workload.key, ())
        ]
    for name, config in candidates:
        if name == IN_PIECES and config == {}:
            return None
        if name == ONE_FUNCTION and config in fire.space(workload, core):
            return config
    return fire.default(workload, core) if fire.pays(workload, core) else None


def distance(one: Conv2dWorkload, other: Conv2dWorkload) -> float:
    """How far apart two convolutions are in size: 1.0 for twice the pixels, or channels, or sums.

    The sum over the three axes of the matrix product behind them (output channels, output pixels,
    length of a sum) of |log2| of the ratio. Infinite where kernel, stride, dilation, type or
    groups differ: another convolution, not another size.
    """
    if _kind(one) != _kind(other):
        return math.inf
    sizes = zip(_axes(one), _axes(other), strict=True)
    return sum(abs(math.log2(mine) - math.log2(its)) for mine, its in sizes)


def _kind(workload: Conv2dWorkload) -> tuple:
    groups = "one a channel" if workload.is_depthwise else workload.groups
    kernel = (workload.kh, workload.kw, workload.stride, workload.dilation)
    return (*kernel, groups, workload.dtype)


def _axes(workload: Conv2dWorkload) -> tuple[int, int, int]:
    return workload.co, workload.n * workload.pixels, workload.k


def _recorded(
    workload: Conv2dWorkload, core: Core, threads: int | None
) -> tuple[Schedule, Config] | None:
    """What records say: those of the user, those shipped, then the neighbours of both."""
    sources = _sources(core, threads)
    for source in sources:
        picked = _first_legal(source.get(workload.key, ()), workload, core)
        if picked is not None:
            return picked
    # Of a neighbour only the fastest counts: the second best says nothing new.
    neighbours = [
        (apart, key, records[0])
        for source in sources
        for key, records in source.items()
        if (apart := _distance_to(key, workload)) < NEIGHBOURHOOD
    ]
    nearest = sorted(neighbours, key=lambda each: each[:2])
    return _first_legal((record for *_, record in nearest), workload, core)


def _sources(core: Core, threads: int | None) -> list[dict[str, list[Recorded]]]:
    """What records say of `core`, by workload, what counts most first."""
    return [
        _current(_users, core, threads),
        _current(_users, core, None),
        _current(shipped(), core, threads),
    ]


def _current(source: Fastest, core: Core, threads: int | None) -> dict[str, list[Recorded]]:
    """The records that serve, whose schedules exist and still mean the same by a config."""
    by_key = {
        key: [each for each in records if each.is_current and each.serves(threads)]
        for key, records in source.get(core.name, {}).items()
    }
    return {key: records for key, records in by_key.items() if records}


def _distance_to(key: str, workload: Conv2dWorkload) -> float:
    try:
        return distance(Conv2dWorkload.from_key(key), workload)
    except ValueError:  # a key of another kind of operator
        return math.inf


def _first_legal(
    records: Iterable[Recorded], workload: Conv2dWorkload, core: Core
) -> tuple[Schedule, Config] | None:
    legal = (_legal(each.schedule, each.config, workload, core) for each in records)
    return next((picked for picked in legal if picked is not None), None)


def _legal(
    name: str, config: Config, workload: Conv2dWorkload, core: Core
) -> tuple[Schedule, Config] | None:
    """The pair, if the schedule computes `workload` on `core` with `config`."""
    if name not in list_schedules():
        return None
    schedule = get(name)
    if schedule.supports(workload, core) and config in schedule.space(workload, core):
        return schedule, config
    return None


def has_shipped(core: Core, threads: int | None) -> bool:
    """Whether any shipped record of `core` serves a build for `threads`."""
    return bool(_current(shipped(), core, threads))


@cache
def shipped() -> Fastest:
    """The tuned records that come with the package."""
    return fastest(record for path in sorted(_RECORDS.glob("*.jsonl")) for record in read(path))
