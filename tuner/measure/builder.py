"""Compiling candidates to libraries for the board, in worker processes with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tvm.support.popen_pool import PopenPoolExecutor

from schedules.competition import Workload
from tuner.errors import UserError
from tuner.measure.errors import TrialError

# A candidate takes about half a second; a compiler that takes this long has run away.
_TIME_LIMIT_S = 60
_PARENT_CHECK_S = 1.0


@dataclass(frozen=True)
class Built:
    """What came of compiling a candidate.

    Attributes:
        seconds: wall time.
        static: what its code tells without running, see `static_facts.read`.
    """

    seconds: float
    static: dict[str, Any] | None


class Builder:
    """A pool of processes that each import TVM once and then compile one candidate at a time.

    Raises:
        UserError: no such process starts.
    """

    def __init__(self, core_name: str, workers: int) -> None:
        self._core_name = core_name
        self._pool = PopenPoolExecutor(
            max_workers=workers,
            timeout=_TIME_LIMIT_S,
            initializer=_prepare_worker,
            initargs=(os.getpid(),),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._require_worker()

    def _require_worker(self) -> None:
        """Start one worker: if none can, that is not to be taken for a fault of every candidate."""
        try:
            self._pool.submit(os.getpid).result()
        except Exception as error:
            self.close()
            raise UserError(
                f"the processes that compile candidates do not start: {error}",
                "start the tuner in its own folder, or install it: pip install -e .",
            ) from error

    def build(
        self,
        workload: Workload,
        schedule: str,
        config: dict[str, int | str],
        epilogue: tuple[str, ...],
        library: Path,
    ) -> Built:
        """Compile a candidate into the shared library `library`, and read its code.

        Raises:
            TrialError: it does not compile, or not in time.
        """
        start = time.monotonic()
        arguments = (workload.key, schedule, config, self._core_name, epilogue, str(library))
        try:
            self._pool.submit(compile_candidate, *arguments).result()
            static = self._pool.submit(_read_code, str(library), self._core_name).result()
        except TimeoutError:
            raise TrialError("build timeout", f"not compiled within {_TIME_LIMIT_S} s") from None
        except Exception as error:  # whatever a schedule raises on a bad config
            raise TrialError("build", str(error)) from error
        return Built(time.monotonic() - start, static)

    def close(self) -> None:
        """Kill the worker processes."""
        self._pool.shutdown(wait=False)


def _prepare_worker(tuner: int) -> None:
    # Ctrl-C goes to the whole process group; only the tuner itself is to react.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(tuner,), daemon=True).start()
    import schedules  # noqa: F401  (the first candidate must not pay for the import)


def _end_with(parent: int) -> None:
    """End this process when `parent` has, in the middle of a build too."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    os._exit(0)


def _read_code(library: str, core_name: str) -> dict[str, Any] | None:
    """Return the facts of compiled code. Runs in a worker process."""
    from tuner.measure import static_facts

    return static_facts.read(Path(library), core_name)


def compile_candidate(
    workload_key: str,
    schedule: str,
    config: dict[str, int | str],
    core_name: str,
    epilogue: tuple[str, ...],
    library: str,
) -> None:
    """Compile one candidate into the shared library `library`. Runs in a worker process."""
    import tvm

    import schedules
    from schedules import competition, hardware
    from schedules.building import needless_passes
    from tuner.board import link

    core = hardware.core(core_name)
    workload = competition.from_key(workload_key)
    module = competition.build(workload, schedule, config, core, epilogue)
    # The arguments are ours: their checks would only take time to compile.
    options = {"tirx.disable_assert": True}
    with tvm.transform.PassContext(config=options, disabled_pass=needless_passes(module)):
        built = tvm.compile(module, target=schedules.target(core_name))
    built.export_library(library, fcompile=link.fcompile(core.isa))
