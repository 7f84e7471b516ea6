"""The conformance suite on a board: what `schedules.testing.run_on_host` is for this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from schedules.testing import Case
from tuner.measure import checker
from tuner.measure.boards import Endpoint
from tuner.measure.builder import compile_candidate
from tuner.measure.runner import Run, run_candidate


class BoardRunner:
    """Computes convolutions on a board; a `schedules.testing.Runner`.

    Args:
        board: e.g. a `tuner.board.launch.EmulatedBoard` or a `tuner.measure.RemoteBoard`, of the
            core that the cases are for.
    """

    def __init__(self, board: Endpoint) -> None:
        self._board = board

    def __call__(self, case: Case) -> np.ndarray:
        """The result (N, CO, OH, OW), float32."""
        return self.measure(case).output

    def measure(self, case: Case) -> Run:
        """The result and the seconds it took.

        Raises:
            TrialError: the library crashed, or did not end in time.
            UserError: the board is gone.
        """
        workload, schedule, config = case.workload, case.schedule, dict(case.config)
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "conv2d.so"
            compile_candidate(
                workload.key, schedule, config, case.core.name, case.epilogue, str(library)
            )
            problem = case.problem
            constants = checker.constants(workload, schedule, config, case.core, problem)
            return run_candidate(self._board, library, workload, constants, problem)
