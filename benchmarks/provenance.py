"""What a result was measured with: part of every `--json` document."""

from __future__ import annotations

import importlib.metadata
import shlex
import sys
from typing import Any

from tuner.board.emulator import params

_PACKAGES = {"tvm": "apache-tvm", "tvm_ffi": "apache-tvm-ffi", "project": "tvm-arm-schedules"}


def provenance() -> dict[str, Any]:
    """Return the command line, the versions and the timing model of this run."""
    return {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "versions": {name: _version(package) for name, package in _PACKAGES.items()},
        "emulated": True,
        "model": params.MODEL_VERSION,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from the sources
        return None
