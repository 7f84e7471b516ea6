"""The whole network on the board: TVM's default build, hand-picked configs, tuned configs."""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relax

import schedules
from schedules.hardware import Board
from tuner import kernels, tasks
from tuner.board import link
from tuner.errors import UserError
from tuner.kernels import KernelCall
from tuner.measure import BoardInfo, Endpoint, session
from tuner.measure.connection import require_alive
from tuner.networks import Network
from tuner.runs import Kernel

# How far an output may be from float64, and from another build's, relative to its largest value.
TOLERANCE = 1e-4
# TVM's default code takes tens of instructions a multiply-accumulate and runs twice, once to warm
# the caches; the emulator does some 30 M instructions a second, shared with the other builds.
_SESSION_LIMIT_S = 600.0
_SLOWEST_MACS_PER_S = 5e5
# The same for all builds: the length of a name shifts the heap, and with it a network's cycles.
_REMOTE_NAME = "network.so"

Configs = Mapping[str, tuple[str, Mapping[str, int | str]]]
"""Workload key -> (schedule, config), as `schedules.using` takes it."""


@dataclass(frozen=True)
class NetworkRun:
    """One build of the network, measured end to end with warm caches.

    Attributes:
        cost_s: seconds of one inference.
        cycles: the same in core cycles, None where the clock is not known.
        output: what the network returned.
        max_error: largest deviation from float64, relative to the largest value of the output.
        kernels: the time of each of its functions by itself; not of TVM's default build.
        tuned: keys of the workloads that it computes with a config from the search.
    """

    cost_s: float
    cycles: int | None
    output: np.ndarray
    max_error: float
    kernels: tuple[Kernel, ...] = ()
    tuned: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """Return the build's entry in a `Run` of the log."""
        known = {"cost_s": self.cost_s, "cycles": self.cycles, "max_error": self.max_error}
        return {**known, "tuned": list(self.tuned)}


def measure_builds(
    network: Network,
    board: Board,
    info: BoardInfo,
    endpoints: Sequence[Endpoint],
    tuned: Sequence[Configs],
    with_default: bool = True,
) -> dict[str, NetworkRun]:
    """Measure TVM's default build, one with hand-picked configs and the fastest of `tuned`.

    Where none of `tuned` is faster, the tuned build is the hand-picked one.

    Args:
        with_default: whether to measure TVM's default build.

    Returns:
        The runs by the names "tvm_default", "hand_picked" and "tuned".

    Raises:
        UserError: an output is not that of the float64 network, or the builds differ, or one does
            not run to its end.
    """
    limit_s = time_limit_s(tasks.total_macs(tasks.extract(network.module)))
    data = network.random_input()
    expected = network.reference(data)
    with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
        variants = [f"tuned{number}" for number in range(len(tuned))]
        names = [*(["tvm_default"] if with_default else []), "hand_picked", *variants]
        libraries = {name: Path(folder) / f"{name}.so" for name in names}
        # One after the other: which schedules TVM uses is one setting of the process.
        if with_default:
            _build_default(network, board, libraries["tvm_default"])
        chosen: dict[str, Configs] = {"hand_picked": {}, **dict(zip(variants, tuned, strict=True))}
        calls = {
            name: build_scheduled(network, board, configs, libraries[name], info.threads)
            for name, configs in chosen.items()
        }
        timed = _run_all(endpoints, libraries, calls, data, limit_s)
    runs = {
        name: NetworkRun(
            run.cost_s,
            info.cycles(run.cost_s),
            run.output,
            relative_error(run.output, expected),
            run.kernels,
            tuple(sorted(chosen.get(name, ()))),
        )
        for name, run in zip(libraries, timed, strict=True)
    }
    for name, run in runs.items():
        require_equal(name, "the float64 network", run.max_error)
        if with_default:
            difference = relative_error(run.output, runs["tvm_default"].output)
            require_equal(name, "TVM's default build", difference)
    candidates = [runs["hand_picked"], *(runs.pop(name) for name in variants)]
    return {**runs, "tuned": min(candidates, key=lambda run: run.cost_s)}


def time_limit_s(macs: int) -> float:
    """Return how long a session may take that runs a network of `macs` multiply-accumulates."""
    return _SESSION_LIMIT_S + macs / _SLOWEST_MACS_PER_S


def relative_error(output: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest deviation from `expected`, relative to its largest absolute value."""
    return float(np.max(np.abs(output - expected)) / np.max(np.abs(expected)))


def require_equal(name: str, other: str, difference: float) -> None:
    """Raise a `UserError` if the build called `name` is more than TOLERANCE off `other`."""
    # Written so that a difference that is not a number fails too.
    if not difference <= TOLERANCE:
        raise UserError(
            f"the output of the {name} build is not that of {other}: off by {difference:.2g} of "
            f"the largest value (allowed {TOLERANCE:g})",
            "this is a bug: please report it with the log",
        )


def _build_default(network: Network, board: Board, library: Path) -> None:
    """Build as TVM does without this project."""
    with schedules.unregistered():
        built = relax.build(network.module, schedules.target(board.name))
    built.export_library(str(library), fcompile=link.fcompile(board.core.isa))


def build_scheduled(
    network: Network,
    board: Board,
    configs: Configs,
    library: Path,
    threads: int | None = None,
) -> list[KernelCall]:
    """Build with our schedules: `configs` where given, hand-picked ones elsewhere.

    Args:
        threads: on which it will run; None: one a core of the board.

    Returns:
        The functions that the build consists of.
    """
    target = schedules.target(board.name, threads)
    with schedules.using(configs):
        lowered = schedules.pipeline(target)(network.module)
        built = relax.build(lowered, target, relax_pipeline=None)
    built.export_library(str(library), fcompile=link.fcompile(board.core.isa))
    return kernels.calls(lowered)


@dataclass(frozen=True)
class _Timed:
    cost_s: float
    output: np.ndarray
    kernels: tuple[Kernel, ...]


def _run_all(
    endpoints: Sequence[Endpoint],
    libraries: Mapping[str, Path],
    calls: Mapping[str, Sequence[KernelCall]],
    data: np.ndarray,
    limit_s: float,
) -> list[_Timed]:
    """Run each build, as many at once as there are boards; results in the order given."""
    free_boards: queue.Queue[Endpoint] = queue.Queue()
    for endpoint in endpoints:
        free_boards.put(endpoint)

    def run(name: str) -> _Timed:
        endpoint = free_boards.get()
        try:
            return run_build(endpoint, name, libraries[name], data, limit_s, calls.get(name, ()))
        finally:
            free_boards.put(endpoint)

    pool = ThreadPoolExecutor(len(endpoints))
    try:
        return list(pool.map(run, libraries))
    finally:
        # After Ctrl-C, do not wait: what runs ends with its board.
        pool.shutdown(wait=False, cancel_futures=True)


def run_build(
    endpoint: Endpoint,
    name: str,
    library: Path,
    data: np.ndarray,
    limit_s: float,
    calls: Sequence[KernelCall] = (),
) -> _Timed:
    """Return the seconds of one inference with warm caches, the output of the timed run, and the
    times of the functions in `calls`, which are run after it.

    Raises:
        UserError: the build called `name` does not run to its end, or the board is gone.
    """
    with errors_named(endpoint, name, limit_s), session(endpoint, limit_s) as remote:
        device = remote.cpu(0)
        module, vm = load(remote, library, data)
        timer = vm.time_evaluator("invoke_stateful", device, number=1, repeat=1)
        cost_s = timer("main").mean
        output = vm.get_outputs("main").numpy()
        return _Timed(cost_s, output, kernels.measure(module, device, calls))


def load(
    remote: tvm.rpc.RPCSession, library: Path, data: np.ndarray
) -> tuple[tvm.runtime.Module, relax.VirtualMachine]:
    """Upload a network's build, set the input of its `main`; return both as they are there."""
    remote.upload(str(library), _REMOTE_NAME)
    device = remote.cpu(0)
    module = remote.load_module(_REMOTE_NAME)
    vm = relax.VirtualMachine(module, device)
    vm.set_input("main", tvm.runtime.tensor(data, device=device))
    return module, vm


@contextmanager
def errors_named(endpoint: Endpoint, name: str, limit_s: float) -> Iterator[None]:
    """Turn what goes wrong in a session into a `UserError` about the build called `name`."""
    try:
        yield
    except TimeoutError:
        raise UserError(
            f"the {name} build of the network did not end within {limit_s:.0f} s",
            "give the same command again when this computer is less busy: the search is kept",
        ) from None
    except UserError:
        raise
    except Exception as error:  # the RPC client raises what the server's error is called
        require_alive(endpoint)
        raise UserError(
            f"the {name} build of the network does not run: {error}",
            "this is a bug unless the board lacks memory: please report it with the log",
        ) from error
