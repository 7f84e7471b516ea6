"""The conformance suite on a board: what `schedules.testing.run_on_host` is for this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from schedules import Conv2dWorkload
from schedules.hardware import Core
from schedules.knobs import Config
from schedules.testing import Problem
from tuner.measure.boards import Endpoint
from tuner.measure.builder import compile_candidate
from tuner.measure.runner import Run, run_candidate


class BoardRunner:
    """Computes convolutions on a board; a `schedules.testing.Runner`.

    Args:
        board: e.g. a `tuner.board.launch.EmulatedBoard` or a `tuner.measure.RemoteBoard`, of the
            core that is asked for.
    """

    def __init__(self, board: Endpoint) -> None:
        self._board = board

    def __call__(
        self,
        workload: Conv2dWorkload,
        schedule: str,
        config: Config,
        core: Core,
        problem: Problem,
        epilogue: Sequence[str],
    ) -> np.ndarray:
        """The result (N, CO, OH, OW), float32."""
        return self.measure(workload, schedule, config, core, problem, epilogue).output

    def measure(
        self,
        workload: Conv2dWorkload,
        schedule: str,
        config: Config,
        core: Core,
        problem: Problem,
        epilogue: Sequence[str],
    ) -> Run:
        """The result and the seconds it took.

        Raises:
            TrialError: the library crashed, or did not end in time.
            UserError: the board is gone.
        """
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "conv2d.so"
            compile_candidate(
                workload.key, schedule, dict(config), core.name, tuple(epilogue), str(library)
            )
            return run_candidate(self._board, library, workload, schedule, config, problem)
