"""The sections of the HTML report, each a function of the result; '' where nothing is known."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Any

from tuner.report import charts
from tuner.report.html import bar, section, table
from tuner.report.results import LayerResult, Result, sum_s
from tuner.report.shares import BETWEEN, CONVOLUTION, OTHER, POOLING, kind, time_by_kind
from tuner.report.tables import ROW_TITLES
from tuner.report.units import format_cycles, format_time

_KEY = (
    '<p class="legend muted"><span><i class="before"></i>hand-picked config</span>'
    '<span><i class="after"></i>tuned</span></p>'
)
# Builds beside the tuned one, what they are called and how exactly they are compared with it.
_OTHER_BUILDS = (
    ("tvm_default", "TVM's default build", 1),
    ("hand_picked", "the hand-picked configs", 2),
)
_STYLES = {CONVOLUTION: "conv", POOLING: "pool", OTHER: "other", BETWEEN: "rest"}


def head(log_name: str, result: Result) -> str:
    """Title, what the figures are of, and the ones to remember."""
    board, trials = result.board, result.trials
    chips = [("kind", result.kind), ("", f"{result.board_name}, {result.core}")]
    if board.get("threads"):
        chips.append(("", f"{board['threads']} threads"))
    if board.get("clock_hz"):
        chips.append(("", f"{board['clock_hz'] / 1e9:.2f} GHz"))
    chips += [("", f"{name} {text}") for name, text in _versions(result)]
    chips.append(("", f"log {log_name}"))
    if trials:
        chips.append(("", f"last trial {max(trial.time for trial in trials)}"))
    items = "".join(f'<li class="{style}">{escape(text)}</li>' for style, text in chips)
    tiles = "".join(
        f'<div class="tile"><b>{escape(figure)}</b><span>{escape(meaning)}</span></div>'
        for figure, meaning in _tiles(result)
    )
    return (
        f"<h1>{escape(result.title)} on {escape(result.board_name)}</h1>"
        f'<ul class="chips">{items}</ul><div class="tiles">{tiles}</div>'
    )


def _versions(result: Result) -> list[tuple[str, str]]:
    """Return what each part's versions were, several if the log has several."""
    names = {"tvm": "TVM", "llvm": "LLVM", "project": "tvm-arm-schedules"}
    return [
        (title, ", ".join(dict.fromkeys(v[name] for v in result.versions)))
        for name, title in names.items()
        if all(name in v for v in result.versions) and result.versions
    ]


def _tiles(result: Result) -> list[tuple[str, str]]:
    tiles = []
    builds = result.builds
    if builds:
        tuned_s = builds["tuned"]["cost_s"]
        tiles += [
            (format_time(tuned_s), f"one inference, tuned ({result.kind})"),
            *(
                (f"{builds[name]['cost_s'] / tuned_s:.{digits}f}x", f"as fast as {what}")
                for name, what, digits in _OTHER_BUILDS
                if name in builds
            ),
        ]
    else:
        compared = [layer for layer in result.layers if layer.before_s and layer.after_s]
        before_s, after_s = sum_s(compared, hand_picked=True), sum_s(compared)
        if after_s:
            tiles += [
                (format_time(after_s), f"all convolutions, tuned ({result.kind})"),
                (f"{before_s / after_s:.2f}x", "as fast as the hand-picked configs"),
            ]
    failed = sum(trial.error is not None for trial in result.trials)
    tiles.append((f"{len(result.trials)}", f"trials, {failed} failed"))
    return tiles


def builds(result: Result) -> str:
    """The builds of the whole network."""
    if not result.builds:
        return section(
            "End to end",
            "<p>The log has no measurement of the whole network: the run has not come to its end. "
            "The same command continues it.</p>",
        )
    slowest_s = max(build["cost_s"] for build in result.builds.values())
    styles = {"tvm_default": "default", "hand_picked": "before", "tuned": "after"}
    rows = []
    for name, title in ROW_TITLES.items():
        if name not in result.builds:
            continue
        build = result.builds[name]
        rows.append(
            [
                title,
                bar(build["cost_s"] / slowest_s, styles[name]),
                format_time(build["cost_s"]),
                format_cycles(build["cycles"]),
                f"{slowest_s / build['cost_s']:.2f}x",
                f"{build['max_error']:.1e}",
            ]
        )
    columns = ["build", "", "time", "cycles", "speedup", "error"]
    return section(
        "End to end",
        table(columns, rows, text=(0, 1)),
        f"One inference, caches warm. {_origin(result)} Error: largest deviation from the float64 "
        "network, relative to its largest output.",
    )


def shares(result: Result) -> str:
    """Where the tuned network's time goes, kernel by kernel."""
    kernels = result.run.kernels if result.run else ()
    if not kernels or not result.builds:
        return ""
    whole_s = result.builds["tuned"]["cost_s"]
    by_kind = time_by_kind(kernels, whole_s)
    parts = [(name, cost_s, _STYLES[name]) for name, cost_s in by_kind.items() if cost_s > 0]
    total_s = sum(cost_s for _, cost_s, _ in parts)
    legend = "".join(
        f'<span><i class="{style}"></i>{name} {cost_s / total_s:.1%}</span>'
        for name, cost_s, style in parts
    )
    longest_s = max(kernel.cost_s * kernel.count for kernel in kernels)
    rows = [
        [
            f"<code>{escape(kernel.name)}</code>",
            "x".join(map(str, kernel.output)),
            str(kernel.count),
            format_time(kernel.cost_s * kernel.count),
            f"{kernel.cost_s * kernel.count / whole_s:.1%}",
            bar(kernel.cost_s * kernel.count / longest_s, _STYLES[kind(kernel)]),
        ]
        for kernel in kernels
    ]
    functions = table(["kernel", "output", "calls", "time", "of all", ""], rows, text=(0, 5))
    return section(
        "Where the time goes",
        f'{charts.shares(parts)}<p class="legend muted">{legend}</p>{functions}',
        f"The functions of the tuned build, in order. {_origin(result)} "
        f"{_difference(whole_s - by_kind[BETWEEN], whole_s)}",
    )


def _difference(sum_s: float, whole_s: float) -> str:
    text = (
        f"Each was timed by itself, its first input in cache and all else out of it: together "
        f"{format_time(sum_s)}. The network as a whole takes {format_time(whole_s)}"
    )
    if sum_s < whole_s:
        return f"{text}: the calls between them, and inputs that other kernels drove out of cache."
    return f"{text}: less, since what a kernel needs may still be in cache there."


def layers(result: Result) -> str:
    """Every distinct convolution and fire module, before and after."""
    if not any(layer.after_s for layer in result.layers):
        return ""
    rows = [_layer_row(n, layer, result) for n, layer in enumerate(result.layers, start=1)]
    columns = ["#", "layer", "calls", "hand-picked", "tuned", "gain", "GFLOP/s", "of peak"]
    columns += ["of roof", "trials", "schedule and config"]
    return section(
        "Layers, before and after",
        f"{_KEY}{charts.layers(result)}",
        f"All calls of each distinct convolution, weights out of cache. {_origin(result)} Where "
        "there are fire modules, each is shown as a whole beside its three convolutions.",
        f"{table(columns, rows, text=(1, 10), wide=(10,))}"
        f'<p class="muted">One call each. {_origin(result)} GFLOP/s count the operations '
        "of the plain convolution, of which Winograd needs fewer: it can exceed 100%. Of roof: of "
        "what arithmetic or memory allows the layer, whichever is less.</p>",
    )


def _layer_row(number: int, layer: LayerResult, result: Result) -> list[str]:
    before_s, after_s, best = layer.before_s, layer.after_s, layer.best
    name = f'{escape(layer.name)}<br><span class="muted">{layer.workload.describe()}</span>'
    cells = [str(number), name, str(layer.count)]
    cells.append(format_time(before_s) if before_s else "-")
    if after_s is None or best is None:
        reason = "failed" if layer.trials else "not measured"
        return [*cells, reason, *"----", str(len(layer.trials)), ""]
    rate = layer.workload.flops / after_s
    peak, roof = result.peak_flops_per_s, charts.roof_flops_per_s(result, layer)
    config = ", ".join(f"{knob} {value}" for knob, value in best.config.items())
    return [
        *cells,
        format_time(after_s),
        f"{before_s / after_s:.2f}x" if before_s else "-",
        f"{rate / 1e9:.1f}",
        f"{rate / peak:.0%}" if peak else "-",
        f"{rate / roof:.0%}" if roof else "-",
        str(len(layer.trials)),
        f"{escape(str(best.schedule['name']))}<br><code>{escape(config)}</code>",
    ]


def roofline(result: Result) -> str:
    """The layers under the board's roofs."""
    chart = charts.roofline(result)
    if not chart:
        return ""
    return section(
        "Roofline",
        f"{_KEY}{chart}",
        f"Numbers are those of the table above. {_origin(result)} The roofs are what is known of "
        f"{escape(result.board_name)}: the arithmetic of all threads, and memory "
        "bandwidth. A layer is timed with its input in L2, where the layer before would leave it, "
        "so it may lie above the memory roof; Winograd may lie above the other.",
    )


def search(result: Result) -> str:
    """One small chart of the trials a layer."""
    figures = "".join(
        f"<figure><h3>{n}. {escape(layer.name)}</h3>{charts.curve(layer)}</figure>"
        for n, layer in enumerate(result.layers, start=1)
        if layer.trials
    )
    settings: dict[str, Any] = dict(result.run.settings) if result.run else {}
    how = ", ".join(
        f"{name} {settings[name]}"
        for name in ("strategy", "seed")
        if settings.get(name) is not None
    )
    return section(
        "Trials",
        f'<p class="muted">Each dot is a trial, the lower the faster, in the order of the log'
        f"{f' ({escape(how)})' if how else ''}; the line is the best so far, dashed is the "
        "hand-picked config, a faint dot at the top is slower than the chart is high, a red cross "
        f'failed. {_origin(result)}</p><div class="curves">{figures}</div>',
    )


def errors(result: Result) -> str:
    """What failed, by kind and text."""
    failed = [(layer, t) for layer in result.layers for t in layer.trials if t.error is not None]
    if not failed:
        return section("Errors", f"<p>None of the {len(result.trials)} trials failed.</p>")
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for layer, trial in failed:
        assert trial.error is not None
        lines = str(trial.error.get("text", "")).strip().splitlines()
        place = (str(trial.error.get("kind")), lines[-1][:300] if lines else "")
        counts[place] += 1
        config = ", ".join(f"{knob} {value}" for knob, value in trial.config.items())
        examples.setdefault(place, f"{layer.name}, {trial.schedule['name']}: {config}")
    rows = [
        [escape(kind), str(count), escape(text), escape(examples[kind, text])]
        for (kind, text), count in counts.most_common()
    ]
    columns = ["kind", "trials", "message", "for example"]
    return section("Errors", table(columns, rows, text=(0, 2, 3), wide=(2, 3)))


def _origin(result: Result) -> str:
    return f"Measured on {escape(result.label)}."
