"""Which configs a bundle is built with, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schedules import competition
from schedules.hardware import Board
from tuner import tasks
from tuner.errors import UserError
from tuner.network_run import Configs
from tuner.networks import Network
from tuner.report import results


@dataclass(frozen=True)
class Choice:
    """Configs by workload, as `schedules.using` takes them, and what is known of their result.

    Attributes:
        origin: where they come from, for people.
        measured_s, measured_on: seconds of one inference of the whole network with them, and the
            label of that figure; None where it was not measured.
    """

    configs: Configs
    origin: str
    measured_s: float | None = None
    measured_on: str | None = None


def shipped(network: Network, board: Board) -> Choice:
    """What any build takes: tuned records that come with the package, else hand-picked configs."""
    choices = {
        task.workload.key: competition.choice(task.workload, board.core, board.cores)
        for task in tasks.extract(network.module)
    }
    configs = {key: choice for key, choice in choices.items() if choice}
    return Choice(configs, "the tuned records of this project")


def from_log(log: Path, network: str, board: Board) -> Choice:
    """The fastest configs of `network` on `board` that `log` knows; hand-picked ones elsewhere.

    Raises:
        UserError: the log knows none.
    """
    found = [
        result
        for result in results.read(log)
        if result.network == network and result.board_name == board.name
    ]
    # What a real board says counts more than its emulation.
    found.sort(key=lambda result: bool(result.board.get("emulated")))
    configs = {
        layer.layer.workload: (layer.best.schedule["name"], layer.best.config)
        for result in found[:1]
        for layer in result.layers
        if layer.best and result.keeps(layer.layer.workload)
    }
    if not any(layer.best for result in found[:1] for layer in result.layers):
        raise UserError(
            f"the log {log} has no result of {network} on {board.name}",
            "name another --log, or leave it out",
        )
    tuned = found[0].builds.get("tuned")
    measured_s = tuned["cost_s"] if tuned else None
    return Choice(configs, f"the log {log.name}", measured_s, found[0].label if tuned else None)
