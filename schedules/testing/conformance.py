"""The conformance suite as a pytest class: subclass it, name a schedule, run pytest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .. import hardware
from ..hardware import Core
from ..registry import Schedule, get, list_schedules
from ..workload import Conv2dWorkload
from . import checks
from .runners import Case, Runner, run_on_host
from .shapes import SHAPES, UNUSUAL
from .strategies import KINDS, workloads


class ScheduleConformance:
    """Tests of everything that `schedules.Schedule` promises, for a schedule on every core.

    A subclass may set or override:

    Attributes:
        schedule: name of the schedule to test; None tests every registered one.
        cores: names of the cores to test on; None means all that have a table.
        shapes: fixed workloads; those that the schedule does not support are passed over.
        samples: configs tried on each fixed workload beside the default.
        examples: random (workload, config) pairs; each takes about half a second, to compile.
        shrink: whether the smallest failing example is looked for, which takes minutes.
        workloads: a method that returns the strategy that random workloads come from; those that
            the schedule does not support are passed over.
        runner: a pytest fixture that returns where results are computed, `run_on_host` if not
            overridden; it may use the fixture `core_name`.
    """

    schedule: str | None = None
    cores: Sequence[str] | None = None
    shapes: Sequence[Conv2dWorkload] = SHAPES
    samples: int = 1
    examples: int = 10
    shrink: bool = False

    def workloads(self, schedule: Schedule, core: Core) -> SearchStrategy[Conv2dWorkload]:
        kinds = [kind for kind, plain in KINDS.items() if schedule.supports(plain, core)]
        return workloads(kinds or KINDS)

    @pytest.fixture
    def runner(self) -> Runner:
        return run_on_host

    def pytest_generate_tests(self, metafunc) -> None:
        """Called by pytest for each test: makes one of it for every schedule and core."""
        names = [self.schedule] if self.schedule is not None else list_schedules()
        cores = list(self.cores) if self.cores is not None else hardware.cores()
        if "schedule_name" in metafunc.fixturenames:
            metafunc.parametrize("schedule_name", names)
        if "core_name" in metafunc.fixturenames:
            metafunc.parametrize("core_name", cores)

    def test_supports_never_raises(self, schedule_name: str, core_name: str) -> None:
        schedule, core = get(schedule_name), hardware.core(core_name)
        for workload in UNUSUAL:
            checks.check_supports(schedule, workload, core)
        self._for_any(50, workloads(), lambda each: checks.check_supports(schedule, each, core))

    def test_spaces_and_refusals(self, schedule_name: str, core_name: str) -> None:
        """Of fixed and random workloads: knobs, defaults, features; bad configs are refused."""
        schedule, core = get(schedule_name), hardware.core(core_name)

        def check(workload: Conv2dWorkload) -> None:
            checks.check_declaration(schedule, workload, core)
            checks.check_refusals(schedule, workload, core)

        for workload in self._fixed(schedule, core):
            check(workload)
        self._for_any(self.examples, self._supported(schedule, core), check)

    def test_fixed_shapes(self, schedule_name: str, core_name: str, runner: Runner) -> None:
        """The default config and others are compiled for the core and computed."""
        schedule, core = get(schedule_name), hardware.core(core_name)
        fixed = self._fixed(schedule, core)
        if not fixed:
            pytest.skip("supports none of the fixed shapes")
        for workload in fixed:
            for config in checks.some_configs(schedule, workload, core, self.samples):
                checks.check_compiles(schedule, workload, core, config)
                checks.check_result(Case(workload, schedule_name, config, core), runner)

    def test_random_shapes(self, schedule_name: str, core_name: str, runner: Runner) -> None:
        """Any workload, config and epilogue: packed alike, compiled for the core, computed."""
        schedule, core = get(schedule_name), hardware.core(core_name)

        @st.composite
        def cases(draw) -> Case:
            workload = draw(self._supported(schedule, core))
            config = draw(st.sampled_from(schedule.space(workload, core).configs))
            epilogue = draw(st.sampled_from(checks.EPILOGUES))
            return Case(workload, schedule_name, config, core, epilogue)

        def check(case: Case) -> None:
            checks.check_packing(schedule, case.workload, case.config)
            checks.check_compiles(schedule, case.workload, core, case.config)
            checks.check_result(case, runner)

        self._for_any(self.examples, cases(), check)

    def _fixed(self, schedule: Schedule, core: Core) -> list[Conv2dWorkload]:
        return [each for each in self.shapes if schedule.supports(each, core)]

    def _supported(self, schedule: Schedule, core: Core) -> SearchStrategy[Conv2dWorkload]:
        drawn = self.workloads(schedule, core)
        return drawn.filter(lambda each: schedule.supports(each, core))

    def _for_any(self, examples: int, strategy: SearchStrategy, check: Callable) -> None:
        """Checks `examples` values of `strategy`; hypothesis shows the one that fails."""

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,  # tests of many schedules would share one entry
            phases=[p for p in Phase if self.shrink or p not in (Phase.shrink, Phase.explain)],
            # Many schedules serve a small part of what is drawn.
            suppress_health_check=[HealthCheck.filter_too_much],
        )
        @hypothesis.given(strategy)
        def run(value) -> None:
            check(value)

        run()
