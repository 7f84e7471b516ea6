"""What every schedule promises, one check a promise; each raises an `AssertionError` that says who
broke it. `check_schedule` runs them all; `ScheduleConformance` makes pytest tests of them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import numpy as np
import tvm
from tvm import te

from ..building import conv2d_module
from ..features import features
from ..hardware import Core
from ..knobs import Config
from ..lowering.targets import target
from ..registry import Schedule, get
from ..workload import Conv2dWorkload
from .problems import Check, WrongAnswer, compare, problem
from .runners import Case, Runner, run_on_host
from .shapes import SHAPES, UNUSUAL

EPILOGUES: tuple[tuple[str, ...], ...] = ((), ("bias",), ("relu",), ("bias", "relu"))

# Of the largest packed weight: both ways of packing round, one in float64 and one in float32.
_PACKING_TOLERANCE = 1e-5


class NotConforming(AssertionError):
    """A schedule breaks a promise that `schedules.Schedule` states."""


def check_schedule(
    name: str,
    core: Core,
    runner: Runner = run_on_host,
    workloads: Iterable[Conv2dWorkload] = SHAPES,
    samples: int = 2,
) -> list[Check]:
    """Checks all promises of the schedule called `name` on `core`.

    For each workload that it supports, the default config and `samples` others are compiled for the
    core and computed by `runner`.

    Returns:
        The largest error of each computed config, with its bound.

    Raises:
        AssertionError: a promise is broken, or the schedule supports none of `workloads`.
    """
    schedule = get(name)
    shapes = tuple(workloads)
    supported = [each for each in shapes if check_supports(schedule, each, core)]
    for unusual in UNUSUAL:
        check_supports(schedule, unusual, core)
    if not supported:
        raise NotConforming(
            f"{name} supports none of {len(shapes)} workloads on {core.name}: give its own"
        )
    checks = []
    for workload in supported:
        check_declaration(schedule, workload, core)
        check_refusals(schedule, workload, core)
        for index, config in enumerate(some_configs(schedule, workload, core, samples)):
            check_packing(schedule, workload, config)
            check_compiles(schedule, workload, core, config)
            epilogue = EPILOGUES[-1 - index % len(EPILOGUES)]
            checks.append(check_result(Case(workload, name, config, core, epilogue), runner))
    return checks


def some_configs(
    schedule: Schedule, workload: Conv2dWorkload, core: Core, samples: int
) -> list[Config]:
    """The default config and up to `samples` others, always the same ones."""
    default = schedule.default(workload, core)
    drawn = schedule.space(workload, core).sample(random.Random(workload.key), samples + 1)
    return [default, *[config for config in drawn if config != default][:samples]]


def check_supports(schedule: Schedule, workload: Conv2dWorkload, core: Core) -> bool:
    """`supports` answers yes or no for any workload and raises nothing; returns the answer."""
    try:
        answer = schedule.supports(workload, core)
    except Exception as error:
        raise NotConforming(_at(schedule, workload, core, "supports raises")) from error
    if not isinstance(answer, bool):
        raise NotConforming(_at(schedule, workload, core, f"supports returns {answer!r}"))
    return answer


def check_declaration(schedule: Schedule, workload: Conv2dWorkload, core: Core) -> None:
    """The space has distinct members, the default among them, and numbers are what they should be.

    Feature vectors of a space have one length and finite values; the error bound grows at least
    by 1; fitness is in (0, 1].
    """

    def require(holds: bool, what: str) -> None:
        if not holds:
            raise NotConforming(_at(schedule, workload, core, what))

    space = schedule.space(workload, core)
    require(len(space) > 0, "supported, but the space is empty")
    default = schedule.default(workload, core)
    require(default in space, f"the default {default} is not in the space")
    require(default == schedule.default(workload, core), "the default is not always the same")
    alone = schedule.default_for_one(workload, core)
    require(alone in space, f"the default for one thread {alone} is not in the space")
    distinct = {tuple(config[knob] for knob in space.names) for config in space}
    require(len(distinct) == len(space), "the space holds a config twice")
    require(0 < schedule.fitness(workload, core) <= 1, "fitness is not in (0, 1]")
    drawn = [default, *space.sample(random.Random(workload.key), 16)]
    for encode, what in (
        (lambda config: features(workload, core, schedule.name, config), "features"),
        (space.features, "knob features"),
    ):
        vectors = [encode(config) for config in drawn]
        require(len({len(vector) for vector in vectors}) == 1, f"{what} differ in length")
        require(all(math.isfinite(x) for vector in vectors for x in vector), f"{what}: not finite")
    for config in drawn:
        growth = schedule.error_growth(config)
        require(1 <= growth < math.inf, f"error_growth({config}) is {growth}")


def check_refusals(schedule: Schedule, workload: Conv2dWorkload, core: Core) -> None:
    """A direct call with a bad config is a `ValueError` that names knob, value and legal values."""
    default = dict(schedule.default(workload, core))
    bad = [{**default, "no_such_knob": 1}]
    for knob in default:
        bad.append({**default, knob: "no such value"})
        bad.append({each: value for each, value in default.items() if each != knob})
    for config in bad:
        (wrong,) = {k for k in {**config, **default} if config.get(k) != default.get(k)}
        try:
            conv2d_module(workload, schedule.name, config, core)
        except ValueError as error:
            parts = [repr(wrong), *([repr(config[wrong])] if wrong in config else []), "legal"]
            if all(part in str(error) for part in parts):
                continue
            raise NotConforming(
                _at(schedule, workload, core, f"the message of {config} lacks one of {parts}")
            ) from error
        raise NotConforming(_at(schedule, workload, core, f"{config} is not refused"))


def check_packing(schedule: Schedule, workload: Conv2dWorkload, config: Config) -> None:
    """`pack` and `pack_compute` agree, and `packed_shape` is the shape of both."""
    where = f"{schedule.name} for {workload.key} with {dict(config)}"
    shape = tuple(schedule.packed_shape(workload, config))
    if len(shape) != 3:
        raise NotConforming(f"{where}: packed weights have three axes, not those of {shape}")
    weight = problem(workload, ()).weight
    packed = schedule.pack(weight, workload, config)
    if packed.shape != shape or packed.dtype != np.float32 or not packed.flags.c_contiguous:
        raise NotConforming(
            f"{where}: pack gives {packed.dtype} {packed.shape}, not contiguous float32 {shape}"
        )
    plain = te.placeholder(weight.shape, name="plain")
    expression = schedule.pack_compute(plain, workload, config)
    if tuple(int(extent) for extent in expression.shape) != shape:
        raise NotConforming(f"{where}: pack_compute gives {expression.shape}, not {shape}")
    func = te.create_prim_func([plain, expression]).with_attr("global_symbol", "main")
    built = tvm.compile(tvm.IRModule({"main": func}), tvm.target.Target({"kind": "llvm"}))
    result = tvm.runtime.tensor(np.full(shape, np.nan, np.float32))
    built(tvm.runtime.tensor(weight), result)
    difference = np.abs(result.numpy() - packed).max()
    if not difference <= _PACKING_TOLERANCE * np.abs(packed).max():
        raise NotConforming(f"{where}: pack and pack_compute differ by up to {difference}")


def check_compiles(
    schedule: Schedule, workload: Conv2dWorkload, core: Core, config: Config
) -> None:
    """The module compiles to the core's machine code."""
    try:
        module, _ = conv2d_module(workload, schedule.name, config, core)
        tvm.compile(module, target=target(core.name))
    except Exception as error:
        raise NotConforming(
            _at(schedule, workload, core, f"{dict(config)} does not compile")
        ) from error


def check_result(case: Case, runner: Runner = run_on_host) -> Check:
    """What `runner` computes is within `error_growth` times the bound of a plain float32 sum.

    Returns:
        The largest error, with its bound.
    """
    schedule, task = get(case.schedule), case.problem
    try:
        bound = task.allowed(schedule.error_growth(case.config))
        return compare(runner(case), task.expected, bound)
    except WrongAnswer as error:
        what = f"{dict(case.config)} with {'+'.join(case.epilogue) or 'no epilogue'}: {error}"
        raise NotConforming(_at(schedule, case.workload, case.core, what)) from None


def _at(schedule: Schedule, workload: Conv2dWorkload, core: Core, what: str) -> str:
    return f"{schedule.name} for {workload.key} on {core.name}: {what}"
