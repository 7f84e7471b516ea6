"""Fire modules as tasks of the tuner: found, built both ways, checked, chosen from records."""

from __future__ import annotations

import dataclasses
import json
import math

import host
import numpy as np
import pytest
import tvm
from test_fire import DOES_NOT_PAY, FUSED, LEFT_ALONE
from test_records import _record

import schedules
from schedules import Conv2dWorkload, FireWorkload, competition, hardware, recorded, selection
from schedules.conv2d import fire
from schedules.fire_workload import IN_PIECES, ONE_FUNCTION, VERSIONS
from schedules.microkernels import assembly_replaced_by
from schedules.testing.portable import PortableKernel
from tuner import networks, tasks
from tuner.board.launch import EmulatedBoard
from tuner.composition import Layers, counts, total_s, weights
from tuner.measure import Measurer, Trial, checker
from tuner.measure.errors import TrialError
from tuner.networks.graph import Graph
from tuner.search import Space
from tuner.tasks import Task

CORE = hardware.core("cortex-a17")
MODULE = FireWorkload(
    Conv2dWorkload(1, 20, 13, 13, 18, 1, 1),
    Conv2dWorkload(1, 18, 13, 13, 10, 1, 1),
    Conv2dWorkload(1, 18, 13, 13, 14, 3, 3, padding=(1, 1, 1, 1)),
)
DEFAULT = fire.default(MODULE, CORE)
OTHER = next(config for config in fire.space(MODULE, CORE) if config != DEFAULT)


def _fires(module: tvm.IRModule) -> list[Task]:
    return [t for t in tasks.extract(module) if isinstance(t.workload, FireWorkload)]


def test_squeezenet_has_eight_modules_of_24_convolutions():
    found = tasks.extract(networks.get("squeezenet").module)
    modules = [task for task in found if isinstance(task.workload, FireWorkload)]
    assert [task.name for task in modules] == [f"fire{n}" for n in range(2, 10)]
    assert {task.epilogue for task in modules} == {("bias", "relu")}
    assert modules[0].workload.describe() == "fire 64->16->64+64 @55x55"
    others = [task for task in found if task not in modules and "fire" in task.layers[0]]
    assert sum(task.macs for task in modules) == sum(task.macs for task in others)
    assert tasks.total_macs(found) < sum(task.macs for task in found)


@pytest.mark.parametrize(
    ("names", "module"),
    [
        (("features_3_squeeze", "features_3_expand1x1", "features_3_expand3x3"), "features_3"),
        (("conv10", "conv11", "conv12"), "conv10_fire"),
    ],
)
def test_a_module_is_called_what_its_convolutions_have_in_common(names, module):
    squeeze, one, three = MODULE.parts
    graph = Graph("data", (1, squeeze.ci, squeeze.h, squeeze.w), seed=0)
    squeezed = graph.conv("data", names[0], squeeze.co, kernel=1)
    expanded = [
        graph.conv(squeezed, names[1], one.co, kernel=1),
        graph.conv(squeezed, names[2], three.co, kernel=3, padding=1),
    ]
    graph.softmax(graph.global_average_pool(graph.concat(tuple(expanded), "both"), "mean"), "prob")
    assert [task.name for task in _fires(graph.to_relax())] == [module]


@pytest.mark.parametrize("name", ["mobilenet", "resnet18"])
def test_networks_without_modules_have_none(name):
    assert _fires(networks.get(name).module) == []


@pytest.mark.parametrize("name", [*FUSED, *LEFT_ALONE, *DOES_NOT_PAY])
def test_what_the_build_makes_one_function_of_is_a_task(name):
    module = {**FUSED, **LEFT_ALONE, **DOES_NOT_PAY}[name]
    searched = [t for t in _fires(module.to_relax()) if len(Space(t.workload, host.PORTABLE_CORE))]
    assert [task.workload for task in searched] == ([] if name in LEFT_ALONE else [module.workload])
    for task in searched:
        # The epilogues differ: what all three have is measured.
        assert task.epilogue == ("relu",)
        first = Space(task.workload, host.PORTABLE_CORE).defaults()[0]
        loses = name in DOES_NOT_PAY or name in ("tail of 55", "tail of 27")
        assert first.schedule == (IN_PIECES if loses else ONE_FUNCTION)


@pytest.mark.parametrize("module", [MODULE, *(m.workload for m in FUSED.values())], ids=str)
def test_keys_name_workloads(module):
    assert competition.from_key(module.key) == module
    assert FireWorkload.from_key(module.key) == module


@pytest.mark.parametrize(
    "key",
    [
        "fire/",
        MODULE.squeeze.key,
        MODULE.key + "+" + MODULE.squeeze.key,
        "fire/" + "+".join([MODULE.squeeze.key] * 3),
        MODULE.key.replace("18x13x13", "19x13x13"),
        MODULE.key.replace("/14x3x3/s1x1_p1x1x1x1", "/14x3x3/s1x1_p0x0x0x0"),
    ],
)
def test_what_is_no_module_is_no_key(key):
    with pytest.raises(ValueError):
        FireWorkload.from_key(key)


def test_facts_are_those_of_the_parts():
    assert MODULE.macs == sum(part.macs for part in MODULE.parts)
    assert MODULE.flops == 2 * MODULE.macs
    weights = 20 * 18 + 18 * 10 + 9 * 18 * 14
    assert MODULE.bytes == 4 * (20 * 169 + weights + 24 * 169)


@pytest.mark.parametrize("name", hardware.cores())
def test_spaces_hold_both_ways_and_describe_them_alike(name):
    core = hardware.core(name)
    space = Space(MODULE, core)
    assert {candidate.schedule for candidate in space} == set(VERSIONS)
    assert len(space) == len(fire.space(MODULE, core)) + 1
    assert [d.config for d in space.defaults() if d.schedule == ONE_FUNCTION] == [
        fire.default(MODULE, core)
    ]
    lengths = {len(space.features(candidate)) for candidate in space}
    conv = Space(MODULE.expand3x3, core)
    assert lengths == {len(conv.features(conv.defaults()[0]))}
    for candidate in space:
        facts = schedules.features(MODULE, core, candidate.schedule, candidate.config)
        assert all(math.isfinite(value) for value in facts)
        assert space.least_s(candidate, None) > 0
    with pytest.raises(ValueError, match="legal"):
        competition.build(MODULE, ONE_FUNCTION, {**DEFAULT, "nr": 5}, core, ())
    with pytest.raises(ValueError, match="not supported"):
        small = LEFT_ALONE["too small"].workload
        competition.build(small, IN_PIECES, {}, core, ())


def _compute(workload, way, config, epilogue, core) -> np.ndarray:
    """What this machine computes by the loop nest of `core`."""
    problem = checker.problem(workload, epilogue)
    with assembly_replaced_by(PortableKernel):
        module = competition.build(workload, way, config, core, epilogue)
    built = tvm.compile(module, target=tvm.target.Target({"kind": "llvm"}))
    output = tvm.runtime.tensor(np.full(problem.expected.shape, np.nan, np.float32))
    constants = checker.constants(workload, way, config, core, problem)
    built(*map(tvm.runtime.tensor, [problem.data, *constants]), output)
    return output.numpy()


@pytest.mark.parametrize("way", VERSIONS)
@pytest.mark.parametrize(
    ("name", "epilogue"),
    [
        *((name, ("bias", "relu")) for name in hardware.cores()),
        *((host.PORTABLE_CORE.name, epilogue) for epilogue in ((), ("bias",))),
    ],
)
def test_candidates_compute_the_module(name, way, epilogue):
    core = hardware.core(name)
    config = competition.get(way).default(MODULE, core)
    problem = checker.problem(MODULE, epilogue)
    output = _compute(MODULE, way, config, epilogue, core)
    allowed = problem.allowed(competition.error_growth(MODULE, way, config, core))
    checker.check(output, problem.expected, allowed)
    # The bound is tight enough to notice a value that is only a little off.
    for channel, little in ((0, 1e-3), (MODULE.co - 1, 1e-2)):  # of the 1x1, of the 3x3
        wrong = output.copy()
        wrong[0, channel, 5, 5] += little
        with pytest.raises(TrialError):
            checker.check(wrong, problem.expected, allowed)


@pytest.mark.parametrize("name", ["odd channels", "two images", "5x5", "narrower than a vector"])
def test_other_shapes_compute_too(name):
    workload = FUSED[name].workload
    for way in VERSIONS:
        config = competition.get(way).default(workload, host.PORTABLE_CORE)
        output = _compute(workload, way, config, ("bias", "relu"), host.PORTABLE_CORE)
        problem = checker.problem(workload, ("bias", "relu"))
        growth = competition.error_growth(workload, way, config, host.PORTABLE_CORE)
        checker.check(output, problem.expected, problem.allowed(growth))


def _line(way: str = ONE_FUNCTION, config=OTHER, cost_s: float = 0.1, **changes) -> str:
    schedule = {"name": way, "version": VERSIONS[way]}
    values = {"schedule": schedule, "workload": MODULE.key, "config": config, "costs_s": (cost_s,)}
    return _record(**{**values, **changes}).to_json() + "\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a records file; nothing is shipped, and what a test uses is forgotten behind it."""
    monkeypatch.setattr(selection, "shipped", dict)

    def write(*lines: str):
        path = tmp_path / "log.jsonl"
        path.write_text("".join(lines))
        return path

    yield write
    schedules.use()


def test_records_decide_what_becomes_of_a_module(write, monkeypatch):
    assert selection.choose_fire(MODULE, CORE) == DEFAULT
    schedules.use(write(_line()))
    assert selection.choose_fire(MODULE, CORE) == OTHER
    assert competition.choice(MODULE, CORE) == (ONE_FUNCTION, OTHER)
    with schedules.using({}):
        assert selection.choose_fire(MODULE, CORE) == DEFAULT
    schedules.use(write(_line(), _line(IN_PIECES, {}, 0.05)))
    assert selection.choose_fire(MODULE, CORE) is None
    assert competition.choice(MODULE, CORE) == (IN_PIECES, {})
    ours = recorded.fastest(recorded.read(write(_line())))
    schedules.use()
    monkeypatch.setattr(selection, "shipped", lambda: ours)
    assert selection.choose_fire(MODULE, CORE) == OTHER
    with schedules.using({MODULE.key: (IN_PIECES, {})}):
        assert selection.choose_fire(MODULE, CORE) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"core": "cortex-a72"},
        {"schedule": {"name": ONE_FUNCTION, "version": 0}},
        {"schedule": {"name": IN_PIECES, "version": 0}, "config": {}},
        {"config": {**OTHER, "nr": 5}},
        {"schedule": {"name": IN_PIECES, "version": 1}},  # with a config that it does not have
        {"schedule": {"name": "conv2d_gemm", "version": 2}},
        {"workload": MODULE.key.replace("20x13x13", "21x13x13")},
        {"costs_s": (), "cycles": None, "error": {"kind": "run", "text": "died"}},
    ],
    ids=str,
)
def test_records_that_do_not_apply_do_no_harm(write, changes):
    schedules.use(write(_line(**changes), _line(cost_s=0.2)))
    assert selection.choose_fire(MODULE, CORE) == OTHER
    # Nor do they hide the convolutions' own defaults.
    assert schedules.choose(MODULE.squeeze, CORE)[0].name == "conv2d_gemm"


def test_a_build_follows_the_record(write, host_is_arm):
    module = FUSED["tail of 13"]

    def functions() -> str:
        with host.TARGET:
            lowered = schedules.pipeline(host.TARGET)(module.to_relax())
        return " ".join(each.name_hint for each in lowered.get_global_vars())

    assert "conv2d_fire" in functions()
    core = host.PORTABLE_CORE.name
    schedules.use(write(_line(IN_PIECES, {}, core=core, workload=module.workload.key)))
    assert "conv2d_fire" not in functions() and "conv2d_concat" in functions()


def _layers(way: str | None) -> list[Layers]:
    """Two modules, another layer that equals their squeeze, and the parts of the modules."""
    squeeze, one, three = MODULE.parts
    return [
        Layers(squeeze, 3, "conv2d_gemm", 1.0),
        Layers(one, 2, "conv2d_gemm", 10.0),
        Layers(three, 2, "conv2d_winograd", 100.0),
        Layers(MODULE, 2, way, 1000.0),
    ]


def test_a_module_counts_once():
    for way in (ONE_FUNCTION, IN_PIECES):
        assert counts(_layers(way)) == [1, 0, 0, 2]
        assert total_s(_layers(way)) == 2001.0
    assert counts(_layers(None)) == [3, 2, 2, 0]
    assert total_s(_layers(None)) == 223.0


def test_trials_go_where_the_build_uses_the_config():
    assert weights(_layers(ONE_FUNCTION)) == [1, 0, 2, 2]
    assert weights(_layers(IN_PIECES)) == [3, 2, 2, 2]


@pytest.mark.board
@pytest.mark.parametrize("name", ["rk3288", "rasp3b-64"])
def test_both_ways_are_measured_on_the_board(name):
    board = hardware.board(name)
    task = Task(MODULE, ("module",), ("bias", "relu"))
    candidates = Space(MODULE, board.core).defaults()
    with EmulatedBoard(board) as emulated, Measurer(board.core.name, [emulated], 1) as measurer:
        trials = [Trial(index, task, each) for index, each in enumerate(candidates)]
        outcomes = {trial.index: outcome for trial, outcome in measurer.measure(trials)}
    assert len(outcomes) == 2
    for outcome in outcomes.values():
        assert outcome.error is None, outcome.error
        assert outcome.costs_s[0] > 0
        assert outcome.check["max_err"] <= outcome.check["bound"]
        json.dumps(dataclasses.asdict(outcome))


@pytest.mark.parametrize(("threads", "is_fused"), [(1, False), (4, True)])
def test_a_build_follows_the_record_for_its_threads(
    write, monkeypatch, host_is_arm, threads, is_fused
):
    module, core = FUSED["tail of 13"], host.PORTABLE_CORE
    where = {"core": core.name, "workload": module.workload.key}
    lines = [
        json.loads(_line(IN_PIECES, {}, 0.4, **where)),
        json.loads(_line(ONE_FUNCTION, fire.default(module.workload, core), 0.1, **where)),
    ]
    for line, count in zip(lines, (1, 4), strict=True):
        line["board"]["threads"] = count
    path = write(*(json.dumps(line) + "\n" for line in lines))
    shipped = recorded.fastest(recorded.read(path))
    monkeypatch.setattr(selection, "shipped", lambda: shipped)
    target = tvm.target.Target({"kind": "llvm", "num-cores": threads})
    with target:
        lowered = schedules.pipeline(target)(module.to_relax())
    names = [each.name_hint for each in lowered.get_global_vars()]
    assert any("conv2d_fire" in name for name in names) == is_fused
