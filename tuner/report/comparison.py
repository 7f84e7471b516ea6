"""Two logs side by side: which found faster configs, layer by layer, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from schedules import FireWorkload, competition
from tuner.errors import UserError
from tuner.report.results import Result, sum_s
from tuner.report.tables import make_table
from tuner.report.units import format_time

# Times of an emulated board are exact; those of a real one come again to about so much.
_REAL_NOISE = 0.02


@dataclass(frozen=True)
class Pair:
    """One convolution or fire module in both logs; times of one call, in seconds."""

    name: str
    workload: str
    count: int
    a_s: float
    b_s: float

    @property
    def ratio(self) -> float:
        """How many times as fast as A's best config B's is."""
        return self.a_s / self.b_s


@dataclass(frozen=True)
class Comparison:
    """What two logs have in common.

    Attributes:
        pairs: the convolutions and fire modules that both have a working config of.
        sums_s: of all their layers in A and in B, see `results.sum_s`.
        only_a, only_b: names of those that one has.
        differences: what besides the search differs, so that ratios may be due to it.
        network: "tvm_default", "hand_picked", "tuned" -> seconds in A and in B, where both
            measured the whole network.
        noise: ratios closer to one than this mean nothing.
    """

    a: Result
    b: Result
    pairs: Sequence[Pair]
    sums_s: tuple[float, float]
    only_a: Sequence[str]
    only_b: Sequence[str]
    differences: Sequence[str]
    network: dict[str, tuple[float, float]]
    noise: float

    @property
    def geometric_mean(self) -> float:
        """Of the ratios of all pairs: above 1, B is faster."""
        return math.exp(sum(math.log(pair.ratio) for pair in self.pairs) / len(self.pairs))

    def verdict(self, ratio: float) -> str:
        """Say which is faster: "A", "B" or "equal"."""
        if abs(math.log(ratio)) <= math.log1p(self.noise):
            return "equal"
        return "B" if ratio > 1 else "A"

    def to_json(self) -> dict[str, Any]:
        """Return what `compare --json` prints."""
        return {
            "a": _describe(self.a),
            "b": _describe(self.b),
            "differences": list(self.differences),
            "layers": [
                {
                    "name": pair.name,
                    "workload": pair.workload,
                    "count": pair.count,
                    "a_ms": pair.a_s * 1e3,
                    "b_ms": pair.b_s * 1e3,
                    "ratio": pair.ratio,
                    "faster": self.verdict(pair.ratio),
                }
                for pair in self.pairs
            ],
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "geometric_mean": self.geometric_mean,
            "network": {
                name: {"a_ms": a_s * 1e3, "b_ms": b_s * 1e3, "ratio": a_s / b_s}
                for name, (a_s, b_s) in self.network.items()
            },
        }


def compare(a: Result, b: Result) -> Comparison:
    """Compare the best configs of two results.

    Raises:
        UserError: they have no convolution in common.
    """
    ours = {(layer.layer.workload, layer.layer.epilogue): layer for layer in a.layers}
    theirs = {(layer.layer.workload, layer.layer.epilogue): layer for layer in b.layers}
    pairs = [
        Pair(layer.name, layer.layer.workload, layer.count, layer.after_s, other.after_s)
        for key, layer in ours.items()
        if (other := theirs.get(key)) and layer.after_s and other.after_s
    ]
    if not pairs:
        raise UserError(
            f"the logs have no convolution in common: one is of {a.title}, the other of {b.title}",
            "name two logs of one network",
        )
    paired = {pair.workload for pair in pairs}
    both = [name for name in a.builds if name in b.builds and a.network == b.network]
    return Comparison(
        a=a,
        b=b,
        pairs=pairs,
        sums_s=(_sum_s(a, paired), _sum_s(b, paired)),
        only_a=[x.name for x in a.layers if x.after_s and x.layer.workload not in paired],
        only_b=[x.name for x in b.layers if x.after_s and x.layer.workload not in paired],
        differences=_differences(a, b),
        network={name: (a.builds[name]["cost_s"], b.builds[name]["cost_s"]) for name in both},
        noise=0.0 if a.board.get("emulated") and b.board.get("emulated") else _REAL_NOISE,
    )


def _sum_s(result: Result, workloads: set[str]) -> float:
    return sum_s(layer for layer in result.layers if layer.layer.workload in workloads)


def _differences(a: Result, b: Result) -> list[str]:
    """Name what differs between the two besides what was found."""
    facts = {
        "network": (a.network, b.network),
        "board": (a.board_name, b.board_name),
        "core": (a.core, b.core),
        "times": (a.kind, b.kind),
        "threads": (a.board.get("threads"), b.board.get("threads")),
        "clock": (a.board.get("clock_hz"), b.board.get("clock_hz")),
        "versions": (_versions(a), _versions(b)),
    }
    return [f"{name}: {x} and {y}" for name, (x, y) in facts.items() if x != y]


def _versions(result: Result) -> str:
    texts = {", ".join(f"{name} {v[name]}" for name in sorted(v)) for v in result.versions}
    return " or ".join(sorted(texts))


def _describe(result: Result) -> dict[str, Any]:
    board = result.board
    return {
        "network": result.network,
        "board": result.board_name,
        "emulated": bool(board.get("emulated")),
        "model": board.get("model"),
        "threads": board.get("threads"),
        "trials": len(result.trials),
    }


def print_comparison(console: Console, comparison: Comparison, name_a: str, name_b: str) -> None:
    """Show the layers as a table, then what it comes to."""
    a, b = comparison.a, comparison.b
    for letter, name, result in (("A", name_a, a), ("B", name_b, b)):
        facts = f"{result.title} on {result.label}, {len(result.trials)} trials"
        console.print(f"{letter}: {name}: {facts}", highlight=False, soft_wrap=True)
    for difference in comparison.differences:
        console.print(f"They differ in {difference}", highlight=False, soft_wrap=True)
    table = make_table("Best config of each layer, one call")
    table.add_column("first layer")
    table.add_column("convolution")
    for column in ("A", "B", "A / B", "faster"):
        table.add_column(column, justify="right")
    for pair in comparison.pairs:
        table.add_row(
            pair.name,
            competition.from_key(pair.workload).describe(),
            format_time(pair.a_s),
            format_time(pair.b_s),
            f"{pair.ratio:.3f}x",
            comparison.verdict(pair.ratio),
        )
    console.print(table)
    for line in _summary(comparison):
        console.print(line, highlight=False)


def _summary(comparison: Comparison) -> list[str]:
    pairs, mean = comparison.pairs, comparison.geometric_mean
    verdicts = [comparison.verdict(pair.ratio) for pair in pairs]
    has_fire = any(isinstance(competition.from_key(p.workload), FireWorkload) for p in pairs)
    kinds = "convolutions and fire modules" if has_fire else "convolutions"
    sums = comparison.sums_s
    lines = [
        f"A is faster in {verdicts.count('A')}, B in {verdicts.count('B')} of {len(pairs)} "
        f"{kinds}; {verdicts.count('equal')} are equal",
        f"geometric mean of A / B: {mean:.3f}x ({_in_words(comparison, mean)})",
        f"sum over all layers: A {format_time(sums[0])}, B {format_time(sums[1])}, "
        f"{sums[0] / sums[1]:.3f}x",
    ]
    if "tuned" in comparison.network:
        a_s, b_s = comparison.network["tuned"]
        lines.append(
            f"whole network, tuned: A {format_time(a_s)}, B {format_time(b_s)}, {a_s / b_s:.3f}x"
        )
    for letter, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        if names:
            lines.append(f"only in {letter}: {', '.join(names)}")
    return lines


def _in_words(comparison: Comparison, ratio: float) -> str:
    verdict = comparison.verdict(ratio)
    if verdict == "equal":
        return "equally fast"
    return f"{verdict} is {max(ratio, 1 / ratio) - 1:.1%} faster"
