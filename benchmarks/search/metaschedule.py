"""TVM's MetaSchedule on an emulated board: its own search, with our compiler call and our board."""

from __future__ import annotations

import sys
import tempfile
import types
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import te, topi
from tvm.ir.utils import derived_object
from tvm.support.popen_pool import PopenPoolExecutor

import schedules
from schedules import Conv2dWorkload
from schedules.hardware import Board
from tuner.board import session as board_session
from tuner.board.launch import EmulatedBoard
from tuner.measure import checker, session
from tuner.measure.errors import TrialError
from tuner.measure.runner import cycle_budget, time_limit_s
from tuner.tasks import Task

_COLD_WEIGHTS = "cache_flush_cpu_non_first_arg"
# A busy host must not fail what an idle one builds and runs.
_BUILD_LIMIT_S = 600
_PATIENCE = 10
_BATCH = 16
# TVM parses some hundred intrinsics of other devices when MetaSchedule starts, for 40 s.
_OTHER_DEVICES = ("cuda", "rocm", "hexagon", "metal", "riscv_cpu")


@dataclass(frozen=True)
class Search:
    """What MetaSchedule found.

    Attributes:
        cycles: of each trial, in order; None where it failed.
        best_error: largest error of an output element of the best, checked as ours is.
    """

    cycles: tuple[int | None, ...]
    best_error: float


def convolution(task: Task) -> tvm.tirx.PrimFunc:
    """The convolution with its epilogue in TVM's own terms.

    Arguments: data, weight (CO, CI, KH, KW), bias (1, CO, 1, 1) if there is one, output; all
    float32. The weights may be laid out anew at compile time, as ours are.
    """
    workload = task.workload
    assert isinstance(workload, Conv2dWorkload), "of a fire module MetaSchedule gets the parts"
    data = te.placeholder((workload.n, workload.ci, workload.h, workload.w), name="data")
    shape = (workload.co, workload.ci // workload.groups, workload.kh, workload.kw)
    weight = te.placeholder(shape, name="weight")
    inputs = [data, weight]
    output = topi.nn.conv2d_nchw(
        data, weight, list(workload.stride), list(workload.padding), list(workload.dilation)
    )
    if "bias" in task.epilogue:
        inputs.append(te.placeholder((1, workload.co, 1, 1), name="bias"))
        output = topi.add(output, inputs[-1])
    if "relu" in task.epilogue:
        output = topi.nn.relu(output)
    function = te.create_prim_func([*inputs, output]).with_attr("global_symbol", "main")
    return function.with_attr("layout_free_buffers", [1])


def search(
    board: Board, emulated: EmulatedBoard, task: Task, trials: int, seed: int, workers: int
) -> Search:
    """Run MetaSchedule with its defaults for `trials` measurements."""
    _skip_other_devices()
    from tvm.s_tir import meta_schedule as ms

    times = _Measurements(board, emulated, task, workers)

    @derived_object
    class Builder(ms.builder.PyBuilder):
        def build(self, build_inputs):
            return [ms.builder.BuilderResult(*each) for each in times.build(build_inputs)]

    @derived_object
    class Future(ms.runner.PyRunnerFuture):
        def __init__(self, seconds, error) -> None:
            self._result = ms.runner.RunnerResult(seconds, error)

        def done(self) -> bool:
            return True

        def result(self):
            return self._result

    @derived_object
    class Runner(ms.runner.PyRunner):
        def run(self, runner_inputs):
            return [Future(*each) for each in times.run(runner_inputs)]

    function, target = convolution(task), schedules.target(board.core.name)
    with times, tempfile.TemporaryDirectory(prefix="metaschedule-") as folder:
        database = ms.tir_integration.tune_tir(
            function,
            target,
            folder,
            max_trials_global=trials,
            num_trials_per_iter=_BATCH,
            builder=Builder(),
            runner=Runner(),
            database=ms.database.MemoryDatabase(),
            num_tuning_cores=workers,
            seed=seed,
        )
        best = ms.tir_integration.compile_tir(database, function, target)
        return Search(tuple(times.cycles), times.check(best.mod))


def _skip_other_devices() -> None:
    for name in _OTHER_DEVICES:
        full = f"tvm.s_tir.tensor_intrin.{name}"
        sys.modules.setdefault(full, types.ModuleType(full))


def _compile(document: str, core_name: str, library: str, prepacked: bool) -> None:
    """Compile a scheduled module. Runs in a worker process.

    Args:
        prepacked: the weights come in the layout that the schedule wants; else it is made at run
            time.
    """
    from tuner.board import link

    module = tvm.ir.load_json(document)
    if prepacked:
        module = tvm.s_tir.transform.RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(
            module
        )
    built = tvm.compile(module, target=schedules.target(core_name))
    built.export_library(library, fcompile=link.fcompile(schedules.hardware.core(core_name).isa))


class _Measurements:
    """Builds in worker processes, and runs on the emulated board; use as a context manager."""

    def __init__(self, board: Board, emulated: EmulatedBoard, task: Task, workers: int) -> None:
        self.cycles: list[int | None] = []
        self._board, self._emulated, self._task = board, emulated, task
        self._threads = ThreadPoolExecutor(workers)
        self._processes = PopenPoolExecutor(max_workers=workers, timeout=_BUILD_LIMIT_S)
        self._folder = tempfile.TemporaryDirectory(prefix="metaschedule-")
        self._built = 0

    def __enter__(self) -> _Measurements:
        return self

    def __exit__(self, *exception: object) -> None:
        self._threads.shutdown()
        self._processes.shutdown(wait=False)
        self._folder.cleanup()

    def build(self, inputs: Sequence[Any]) -> list[tuple[str | None, str | None]]:
        """Path, or what went wrong, of each input."""
        jobs = []
        for each in inputs:
            library = self._next_library()
            document = tvm.ir.save_json(each.mod)
            job = self._processes.submit(
                _compile, document, self._board.core.name, str(library), True
            )
            jobs.append((library, job))
        results: list[tuple[str | None, str | None]] = []
        for library, job in jobs:
            try:
                job.result()
                results.append((str(library), None))
            except Exception as error:  # whatever TVM raises on its own schedule
                results.append((None, str(error)[-500:]))
        return results

    def run(self, inputs: Sequence[Any]) -> list[tuple[list[float] | None, str | None]]:
        """Seconds, or what went wrong, of each input."""
        found = list(self._threads.map(self._run_one, inputs))
        for seconds, _ in found:
            cycles = round(seconds[0] * self._board.clock_hz) if seconds else None
            self.cycles.append(cycles)
        return found

    def _run_one(self, given: Any) -> tuple[list[float] | None, str | None]:
        rng = np.random.default_rng(0)
        shapes = [tuple(map(int, info.shape)) for info in given.args_info]
        arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        library = Path(given.artifact_path)
        try:
            seconds, _ = self._call(library, arrays)
        except TrialError as error:
            return None, error.text
        return seconds, None

    def check(self, module: tvm.IRModule) -> float:
        """Compute with the scheduled `module`; return its largest error.

        Raises:
            TrialError: the answer is wrong.
        """
        library = self._next_library()
        document = tvm.ir.save_json(module)
        self._processes.submit(
            _compile, document, self._board.core.name, str(library), False
        ).result()
        problem = checker.problem(self._task.workload, self._task.epilogue)
        output = np.full(problem.expected.shape, np.nan, np.float32)
        constants = [array.reshape(1, -1, 1, 1) for array in problem.biases]
        _, answer = self._call(library, [problem.data, *problem.weights, *constants, output])
        return checker.check(answer, problem.expected, problem.allowed(1.0)).max_err

    def _next_library(self) -> Path:
        self._built += 1
        # MetaSchedule deletes the folder of what it has run.
        folder = Path(self._folder.name) / f"trial{self._built}"
        folder.mkdir()
        return folder / "kernel.so"

    def _call(self, library: Path, arrays: Sequence[np.ndarray]) -> tuple[list[float], np.ndarray]:
        """Time one call as `runner.run_candidate` does; seconds, and the last array afterwards."""
        flops = self._task.workload.flops
        try:
            with session(self._emulated, _PATIENCE * time_limit_s(flops)) as remote:
                remote.upload(str(library))
                module, device = remote.load_module(library.name), remote.cpu(0)
                arguments = [tvm.runtime.tensor(array, device=device) for array in arrays]
                timer = module.time_evaluator(
                    "main", device, number=1, repeat=1, f_preproc=_COLD_WEIGHTS
                )
                board_session.set_cycle_budget(remote, cycle_budget(flops))
                return list(timer(*arguments).results), arguments[-1].numpy()
        except Exception as error:  # crash, time limit, budget: this trial has no time
            raise TrialError("run", str(error)) from error
