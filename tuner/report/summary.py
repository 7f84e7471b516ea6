"""The result as one JSON object, for `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.measure import BoardInfo
from tuner.network_run import NetworkRun


def summarize(
    network: str,
    target: str,
    board: BoardInfo,
    seed: int,
    trials: int,
    runs: Mapping[str, NetworkRun],
) -> dict[str, Any]:
    """Return the document that docs/tune.md describes; `cycles` is null where unknown."""
    return {
        "network": network,
        "target": target,
        "board": board.name,
        "emulated": board.emulated,
        "model": board.model,
        "threads": board.threads,
        "seed": seed,
        "trials": trials,
        **{name: {"cycles": run.cycles, "ms": run.cost_s * 1e3} for name, run in runs.items()},
    }
