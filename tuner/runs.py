"""A line of the log about a whole run: what there was to tune, and the network end to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

# What tells such a line from a trial's.
KIND = "run"


@dataclass(frozen=True)
class Layer:
    """One distinct convolution or fire module of the network.

    Attributes:
        workload: `Conv2dWorkload.key` or `FireWorkload.key`.
        names: the layers that compute it, in order.
        epilogue: what the same kernel computes after it.
        hand_picked: the schedule (name, version) and the config that a build takes untuned; None
            when no schedule serves it.
    """

    workload: str
    names: tuple[str, ...]
    epilogue: tuple[str, ...]
    hand_picked: Mapping[str, Any] | None


@dataclass(frozen=True)
class Kernel:
    """One compiled function of the tuned network, timed by itself with its weights out of cache.

    Attributes:
        name: as TVM calls it.
        output: shape of what it writes.
        count: calls in one inference.
        cost_s: seconds of one call.
    """

    name: str
    output: tuple[int, ...]
    count: int
    cost_s: float


@dataclass(frozen=True)
class Run:
    """A run of the tuner on one network and board; written at its start, and at its end again.

    Attributes:
        time: when it was written, ISO 8601, UTC.
        network, title: its name, and that for people.
        core, board: as in a trial's record.
        layers: what is tuned.
        settings: seed, strategy, trials, time_s.
        builds: "tvm_default" (if measured), "hand_picked", "tuned" -> cost_s, cycles, max_error of
            one inference, end to end with warm caches, and "tuned": the workloads that it computes
            with a config from the search; None at the start.
        kernels: where the tuned network's time goes, in order of their first call; empty at the
            start.
        versions: tvm, llvm and this project.
    """

    time: str
    network: str
    title: str
    core: str
    board: Mapping[str, Any]
    layers: tuple[Layer, ...]
    settings: Mapping[str, Any]
    builds: Mapping[str, Mapping[str, Any]] | None = None
    kernels: tuple[Kernel, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def says_the_same_as(self, other: Run) -> bool:
        """Whether the two differ in nothing but when they were written."""
        return replace(self, time=other.time) == other

    @property
    def kept(self) -> frozenset[str] | None:
        """Workloads for which the network took the config of the search; None if not known."""
        tuned = (self.builds or {}).get("tuned", {}).get("tuned")
        return None if tuned is None else frozenset(tuned)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads, without the version of the format."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        return {"kind": KIND, **values}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Run:
        """Build a run from a parsed line; fields of other versions are left out.

        Raises:
            KeyError, TypeError: a field is missing or of another type.
        """
        known = {f.name for f in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        values["layers"] = tuple(_layer(layer) for layer in document["layers"])
        values["kernels"] = tuple(
            Kernel(**{**kernel, "output": tuple(kernel["output"])})
            for kernel in document.get("kernels", ())
        )
        if not isinstance(values["board"]["fingerprint"], str):
            raise TypeError("fingerprint is no text")
        for build in (values.get("builds") or {}).values():
            if not isinstance(build["cost_s"], int | float):
                raise TypeError("cost_s is no time")
        return cls(**values)


def _layer(values: Mapping[str, Any]) -> Layer:
    names, epilogue = tuple(values["names"]), tuple(values["epilogue"])
    return Layer(values["workload"], names, epilogue, values["hand_picked"])
