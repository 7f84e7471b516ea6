"""Running a compiled candidate on a board, timed, with its output brought back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm

from schedules.competition import Workload
from tuner.board import session as board_session
from tuner.errors import UserError
from tuner.measure.boards import ConnectionLost, Endpoint, session
from tuner.measure.checker import Problem
from tuner.measure.connection import is_lost, require_alive
from tuner.measure.errors import TrialError

# Evicts weights and bias, keeps the input: in a network the layer before has just written it.
_COLD_WEIGHTS = "cache_flush_cpu_non_first_arg"
# Time limit: what a session costs, and the slowest rate worth waiting for. The emulator does some
# 30 M guest instructions a second on a busy host, and no candidate needs six a FLOP.
_SESSION_LIMIT_S = 20.0
_SLOWEST_FLOPS_PER_S = 5e6
_SLOWEST_BYTES_PER_S = 5e4
# The emulated board gives up on what is several times slower than a naive loop nest, which takes
# two to three cycles a FLOP; unlike the time limit this does not depend on the host's load.
_HOPELESS_CYCLES_PER_FLOP = 8
_CALL_CYCLES = 2_000_000

Watch = Callable[[tvm.rpc.RPCSession], AbstractContextManager[None]]


@dataclass(frozen=True)
class Run:
    """Seconds of each timed run, and the output of the last.

    Attributes:
        sent_bytes, sent_s: the library and the inputs, and the wall seconds they took to the board.
    """

    costs_s: tuple[float, ...]
    output: np.ndarray
    sent_bytes: int = 0
    sent_s: float = 0.0


def time_limit_s(flops: int, moved_bytes: int = 0) -> float:
    """Return how long a session may take that has one timed run of `flops` operations.

    Args:
        moved_bytes: what goes over the network.
    """
    return _SESSION_LIMIT_S + flops / _SLOWEST_FLOPS_PER_S + moved_bytes / _SLOWEST_BYTES_PER_S


def cycle_budget(flops: int) -> int:
    """Return how many cycles of model time a timed run of `flops` operations may take."""
    return _CALL_CYCLES + _HOPELESS_CYCLES_PER_FLOP * flops


def run_candidate(
    endpoint: Endpoint,
    library: Path,
    workload: Workload,
    constants: Sequence[np.ndarray],
    problem: Problem,
    watch: Watch = nullcontext,
) -> Run:
    """Run the candidate in `library` once, in a session of its own.

    Args:
        constants: weights as it wants them, with the biases, see `competition.constants`.
        watch: what looks at the board, in the same session, while the candidate runs.

    Raises:
        TrialError: it crashed, did not end in time, is hopelessly slow, or `watch` objects.
        ConnectionLost: the connection broke.
        UserError: the board is gone.
    """
    # Not-a-number everywhere: an element that the kernel skips cannot pass for right.
    output = np.full(problem.expected.shape, np.nan, np.float32)
    arrays = [problem.data, *constants, output]
    sent_bytes = library.stat().st_size + sum(array.nbytes for array in arrays)
    limit_s = time_limit_s(workload.flops, sent_bytes + output.nbytes)
    try:
        with session(endpoint, limit_s) as remote:
            start = time.monotonic()
            remote.upload(str(library))
            module = remote.load_module(library.name)
            device = remote.cpu(0)
            arguments = [tvm.runtime.tensor(array, device=device) for array in arrays]
            sent_s = time.monotonic() - start
            timer = module.time_evaluator(
                "main", device, number=1, repeat=1, f_preproc=_COLD_WEIGHTS
            )
            board_session.set_cycle_budget(remote, cycle_budget(workload.flops))
            with watch(remote):
                costs_s = timer(*arguments).results
            # Not the output of another run: the one whose time is going to count.
            return Run(tuple(costs_s), arguments[-1].numpy(), sent_bytes, sent_s)
    except TimeoutError:
        raise TrialError("run timeout", f"not finished within {limit_s:.0f} s") from None
    except (UserError, TrialError):
        raise
    except Exception as error:  # the RPC client raises what the server's error is called
        if is_lost(error):
            raise ConnectionLost(str(error)) from error
        require_alive(endpoint)
        if board_session.is_over_budget(error):
            budget = cycle_budget(workload.flops)
            raise TrialError("over budget", f"stopped after {budget:,} cycles") from error
        raise TrialError("run", str(error)) from error
