"""Running a compiled candidate on a board, timed, with its output brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm

import schedules
from schedules import Conv2dWorkload
from tuner.board import session as board_session
from tuner.errors import UserError
from tuner.measure.boards import Endpoint, session
from tuner.measure.checker import Problem
from tuner.measure.errors import TrialError

# Evicts weights and bias, keeps the input: in a network the layer before has just written it.
_COLD_WEIGHTS = "cache_flush_cpu_non_first_arg"
# Time limit: what a session costs, and the slowest rate worth waiting for. The emulator does some
# 30 M guest instructions a second on a busy host, and no candidate needs six a FLOP.
_SESSION_LIMIT_S = 20.0
_SLOWEST_FLOPS_PER_S = 5e6
# The emulated board gives up on what is several times slower than a naive loop nest, which takes
# two to three cycles a FLOP; unlike the time limit this does not depend on the host's load.
_HOPELESS_CYCLES_PER_FLOP = 8
_CALL_CYCLES = 2_000_000


@dataclass(frozen=True)
class Run:
    """Seconds of each timed run, and the output of the last."""

    costs_s: tuple[float, ...]
    output: np.ndarray


def time_limit_s(flops: int) -> float:
    """Return how long a session with one timed run of `flops` operations may take."""
    return _SESSION_LIMIT_S + flops / _SLOWEST_FLOPS_PER_S


def cycle_budget(flops: int) -> int:
    """Return how many cycles of model time a timed run of `flops` operations may take."""
    return _CALL_CYCLES + _HOPELESS_CYCLES_PER_FLOP * flops


def run_candidate(
    endpoint: Endpoint,
    library: Path,
    workload: Conv2dWorkload,
    schedule: str,
    config: Mapping[str, int | str],
    problem: Problem,
) -> Run:
    """Run the candidate in `library` once, in a session of its own.

    Raises:
        TrialError: it crashed, did not end in time, or is hopelessly slow.
        UserError: the board is gone.
    """
    packed = schedules.get(schedule).pack(problem.weight, workload, config)
    limit_s = time_limit_s(workload.flops)
    try:
        with session(endpoint, limit_s) as remote:
            remote.upload(str(library))
            module = remote.load_module(library.name)
            device = remote.cpu(0)
            # Not-a-number everywhere: an element that the kernel skips cannot pass for right.
            output = np.full(problem.expected.shape, np.nan, np.float32)
            inputs = [problem.data, packed, *problem.constants]
            arguments = [tvm.runtime.tensor(array, device=device) for array in [*inputs, output]]
            timer = module.time_evaluator(
                "main", device, number=1, repeat=1, f_preproc=_COLD_WEIGHTS
            )
            board_session.set_cycle_budget(remote, cycle_budget(workload.flops))
            costs_s = timer(*arguments).results
            # Not the output of another run: the one whose time is going to count.
            return Run(tuple(costs_s), arguments[-1].numpy())
    except TimeoutError:
        raise TrialError("run timeout", f"not finished within {limit_s:.0f} s") from None
    except UserError:
        raise
    except Exception as error:  # the RPC client raises what the server's error is called
        require_alive(endpoint)
        if board_session.is_over_budget(error):
            budget = cycle_budget(workload.flops)
            raise TrialError("over budget", f"stopped after {budget:,} cycles") from error
        raise TrialError("run", str(error)) from error


def require_alive(endpoint: Endpoint) -> None:
    """Raise a `UserError` unless the board still takes sessions: then what it ran is to blame."""
    try:
        with session(endpoint, _SESSION_LIMIT_S):
            pass
    except UserError:
        raise
    except Exception as error:  # the RPC client's, such as a RuntimeError when nothing listens
        raise UserError(
            f"the board does not answer any more: {error}",
            "restart its server if it is a real board, and give the same command again: "
            "what was measured is kept",
        ) from error
