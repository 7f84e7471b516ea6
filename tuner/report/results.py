"""What a log says, by network and board: the facts behind `report` and `compare`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schedules import competition, hardware
from schedules.competition import Workload
from tuner import records
from tuner.composition import Layers, total_s
from tuner.errors import UserError
from tuner.records import Record
from tuner.runs import Layer, Run


@dataclass(frozen=True)
class LayerResult:
    """What is known of one distinct convolution or fire module.

    Attributes:
        layer: what it is.
        trials: all its trials, in order of the log.
        hand_picked, best: the trial of the hand-picked config, and the fastest one; None when
            there is none that worked.
    """

    layer: Layer
    trials: Sequence[Record]
    hand_picked: Record | None
    best: Record | None

    @property
    def workload(self) -> Workload:
        return competition.from_key(self.layer.workload)

    @property
    def name(self) -> str:
        """The first layer's name, or what it computes where the log has no names."""
        return self.layer.names[0] if self.layer.names else self.workload.describe()

    @property
    def count(self) -> int:
        """How many layers of the network it stands for."""
        return max(1, len(self.layer.names))

    @property
    def before_s(self) -> float | None:
        """Seconds of one call with the hand-picked config."""
        return self.hand_picked.cost_s if self.hand_picked else None

    @property
    def after_s(self) -> float | None:
        """Seconds of one call with the best config."""
        return self.best.cost_s if self.best else None


def sum_s(results: Iterable[LayerResult], hand_picked: bool = False) -> float:
    """Return the seconds of all layers that work, with the best configs or the hand-picked ones.

    A fire module counts once, see `composition`.
    """
    trials = [(each, each.hand_picked if hand_picked else each.best) for each in results]
    return total_s(
        [
            Layers(each.workload, each.count, trial.schedule["name"], trial.cost_s)
            for each, trial in trials
            if trial is not None and trial.cost_s
        ]
    )


@dataclass(frozen=True)
class Result:
    """All that a log says of one network on one board.

    Attributes:
        network, title: its name, and that for people.
        board: as in a record.
        layers: its convolutions and fire modules, in order.
        run: the last run that measured the whole network, else the last one begun, else None.
    """

    network: str
    title: str
    core: str
    board: Mapping[str, Any]
    layers: Sequence[LayerResult]
    run: Run | None
    versions: Sequence[Mapping[str, str]] = field(default=())

    @property
    def label(self) -> str:
        """What stands beside every figure: the board, and what its times are."""
        return f"{self.board_name} ({self.kind})"

    @property
    def board_name(self) -> str:
        return str(self.board.get("name", "unnamed board"))

    @property
    def kind(self) -> str:
        """Whether times are a model's, and of which version."""
        if self.board.get("emulated"):
            return f"emulated, timing model v{self.board.get('model')}"
        return "real board"

    @property
    def trials(self) -> list[Record]:
        """All trials, in no particular order."""
        return [trial for layer in self.layers for trial in layer.trials]

    @property
    def builds(self) -> Mapping[str, Mapping[str, Any]]:
        """Build -> cost_s, cycles, max_error of the whole network; empty if not measured."""
        return (self.run.builds if self.run else None) or {}

    def keeps(self, workload: str) -> bool:
        """Whether the network, measured as a whole, was faster with the workload's best config."""
        kept = self.run.kept if self.run else None
        return kept is None or workload in kept

    @property
    def peak_flops_per_s(self) -> float | None:
        """What the threads' multiply-add units can do at most; None for an unknown core."""
        table = self._table
        if table is None:
            return None
        threads = self.board.get("threads") or table.cores
        clock_hz = self.board.get("clock_hz") or table.clock_hz
        return float(table.core.peak_flops_per_cycle * threads * clock_hz)

    @property
    def dram_bytes_per_s(self) -> float | None:
        """Memory bandwidth of the board; None for an unknown one."""
        return self._table.figures["dram_mb_per_s"].value * 1e6 if self._table else None

    @property
    def _table(self) -> hardware.Board | None:
        name = self.board_name
        return hardware.board(name) if name in hardware.boards() else None


def read(path: Path) -> list[Result]:
    """Return what the log at `path` says, the network and board that it ends with first.

    Raises:
        UserError: it cannot be read, or there is no trial in it.
    """
    trials, runs = records.read(path), records.read_runs(path)
    if not trials:
        raise UserError(f"the log {path} has no trials", "name the log of a run that measured some")
    places = dict.fromkeys((trial.network or "", _fingerprint(trial)) for trial in reversed(trials))
    return [_result(place, trials, runs) for place in places]


def _fingerprint(entry: Record | Run) -> str:
    return str(entry.board["fingerprint"])


def _result(place: tuple[str, str], trials: Iterable[Record], runs: Iterable[Run]) -> Result:
    """Collect what concerns one network and board."""
    network, fingerprint = place
    # A config that two networks share is measured once, for whichever came first.
    here = [trial for trial in trials if _fingerprint(trial) == fingerprint]
    own_runs = [r for r in runs if (r.network, _fingerprint(r)) == place]
    measured = [run for run in own_runs if run.builds]
    told = measured or own_runs
    own = [trial for trial in here if (trial.network or "") == network]
    layers = own_runs[-1].layers if own_runs else _layers_of(own)
    last = here[-1]
    return Result(
        network=network,
        title=own_runs[-1].title if own_runs else network or "unnamed network",
        core=last.core,
        board=last.board,
        layers=[_layer_result(layer, here) for layer in layers if _is_known(layer.workload)],
        run=told[-1] if told else None,
        versions=list({str(trial.versions): trial.versions for trial in own}.values()),
    )


def _layers_of(trials: Iterable[Record]) -> list[Layer]:
    """Make do with what trials say, in a log of a version that had no runs in it."""
    places = dict.fromkeys((trial.workload, trial.epilogue) for trial in trials)
    return [Layer(workload, (), epilogue, None) for workload, epilogue in places]


def _is_known(workload: str) -> bool:
    """Whether a workload is one of those the report knows the operations of."""
    try:
        competition.from_key(workload)
    except ValueError:
        return False
    return True


def _layer_result(layer: Layer, trials: Iterable[Record]) -> LayerResult:
    place = (layer.workload, layer.epilogue)
    # A trial that was measured again counts as it ended the last time.
    own = list({t.key: t for t in trials if (t.workload, t.epilogue) == place}.values())
    working = [trial for trial in own if trial.cost_s is not None]
    hand_picked = [trial for trial in working if _is(trial, layer.hand_picked)]
    best = min(working, key=lambda trial: trial.cost_s or 0.0, default=None)
    return LayerResult(layer, own, hand_picked[0] if hand_picked else None, best)


def _is(trial: Record, choice: Mapping[str, Any] | None) -> bool:
    if choice is None:
        return False
    return (dict(trial.schedule), dict(trial.config)) == (choice["schedule"], choice["config"])
