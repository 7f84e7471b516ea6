"""The table and the figure of docs/benchmarks.md, of stored results of `benchmarks peers`."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks import generated
from benchmarks.peers.library_run import LIBRARIES

PAGE = generated.ROOT / "docs" / "benchmarks.md"
MARK = "peers"
FIGURES = tuple(generated.ROOT / "docs" / "img" / f"peers{suffix}" for suffix in (".svg", ".png"))
_PATTERN = "peers.*.json"
_COLOURS = {
    "hand_picked": "#9ecae1",
    "tuned": "#1f77b4",
    "ncnn": "#e6550d",
    "mnn": "#fd8d3c",
    "onnxruntime": "#756bb1",
    "litert": "#636363",
    "tflite": "#969696",
}
_TITLES = {
    "hand_picked": "ours, hand-picked",
    "tuned": "ours, tuned",
    **{name: library.title for name, library in LIBRARIES.items()},
}


def results() -> list[dict]:
    """One of each network and board, by board."""
    return sorted(generated.load(_PATTERN), key=lambda each: (each["board"], each["network"]))


def table(found: list[dict]) -> str:
    """Mcycles of each build and library as Markdown, and how much faster ours is.

    Over TVM's default the faster one of ours counts, as it does over the best peer.
    """
    lines = []
    for board, rows in _boards(found).items():
        models = sorted({f"v{each['model']}" for each in rows})
        names = [name for name in (*_TITLES, "tvm_default") if any(_cycles(e, name) for e in rows)]
        titles = [{**_TITLES, "tvm_default": "TVM's default"}[name] for name in names]
        heading = f"`{board}`, Mcycles (emulated, timing model {', '.join(models)})"
        ratios = ["best peer over ours", "TVM's default over ours"]
        lines += ["", f"| {' | '.join([heading, *titles, *ratios])} |"]
        lines.append("| --- " * (len(names) + 3) + "|")
        for each in rows:
            cells = [_title(each), *(_millions(_cycles(each, name)) for name in names)]
            gains = [_ratio(each["ratio_to_best_peer"]), _ratio(_over_default(each))]
            lines.append(f"| {' | '.join([*cells, *gains])} |")
        mean = _mean([each["ratio_to_best_peer"] for each in rows])
        over_default = _mean([gain for gain in map(_over_default, rows) if gain])
        blank = " |" * len(names)
        lines.append(f"| geometric mean of {len(rows)} |{blank} {mean} | {over_default} |")
    return "\n".join(lines[1:])


def draw(found: list[dict], path: Path) -> None:
    """Bars of Mcycles, a panel a board and a group a network. TVM's own build is far outside."""
    from matplotlib import pyplot

    boards = _boards(found)
    height = 0.8 + 2.4 * len(boards)
    figure, panels = pyplot.subplots(len(boards), figsize=(8, height), squeeze=False)
    for axes, (board, rows) in zip(panels[:, 0], boards.items(), strict=True):
        names = [name for name in _COLOURS if any(_cycles(each, name) for each in rows)]
        width = 0.84 / len(names)
        for i, name in enumerate(names):
            places = [n + width * (i - (len(names) - 1) / 2) for n in range(len(rows))]
            cycles = [_cycles(each, name) / 1e6 for each in rows]
            bars = axes.bar(places, cycles, width * 0.94, color=_COLOURS[name])
            axes.bar_label(bars, [f"{each:.0f}" for each in cycles], padding=1, fontsize=6)
        axes.set_xticks(range(len(rows)), [_title(each) for each in rows])
        axes.set_ylabel("Mcycles")
        axes.margins(y=0.12)
        axes.set_title(board, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    used = [name for name in _COLOURS if any(_cycles(each, name) for each in found)]
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=_COLOURS[name]) for name in used]
    figure.legend(
        handles,
        [_TITLES[name] for name in used],
        loc="outside upper center",
        ncols=4,
        frameon=False,
    )
    models = sorted({f"timing model v{each['model']}" for each in found})
    note = f"one inference, one thread, less is better (emulated, {', '.join(models)})"
    figure.supxlabel(note, fontsize=10)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.6 / height))
    generated.save(figure, found, path)
    pyplot.close(figure)


def _boards(found: list[dict]) -> dict[str, list[dict]]:
    boards: dict[str, list[dict]] = {}
    for each in found:
        boards.setdefault(each["board"], []).append(each)
    return boards


def _title(result: dict) -> str:
    """The network's name without the input's size."""
    return result["title"].partition(",")[0]


def _cycles(result: dict, name: str) -> int:
    """0 for what was not run."""
    return next((row["cycles"] or 0 for row in result["rows"] if row["name"] == name), 0)


def _over_default(result: dict) -> float:
    """TVM's own build over the faster one of ours; 0 where it was not run."""
    ours = [cycles for name in ("hand_picked", "tuned") if (cycles := _cycles(result, name))]
    return _cycles(result, "tvm_default") / min(ours)


def _mean(ratios: list[float]) -> str:
    return _ratio(statistics.geometric_mean(ratios) if ratios else 0)


def _millions(cycles: int) -> str:
    return f"{cycles / 1e6:,.1f}" if cycles else "-"


def _ratio(value: float) -> str:
    return f"{value:.2f}x" if value else "-"
