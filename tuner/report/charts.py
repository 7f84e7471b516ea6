"""The report's charts: layers before and after, the roofline, and how the search went."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.records import Record
from tuner.report.results import LayerResult, Result
from tuner.report.svg import Drawing, LogScale
from tuner.report.units import format_time

_WIDTH = 980
_ROW = 30
_NAMES = 170  # pixels for the names at the left
_VALUES = 210  # pixels for the figures at the right


def layers(result: Result) -> str:
    """Two bars a layer: all its calls with the hand-picked config and with the best one."""
    known = [layer for layer in result.layers if layer.after_s]
    longest_s = max(
        (
            cost_s * layer.count
            for layer in known
            for cost_s in (layer.before_s, layer.after_s)
            if cost_s
        ),
        default=0.0,
    )
    drawing = Drawing(_WIDTH, _ROW * len(known) + 4, "Time of each layer, before and after")
    room = _WIDTH - _NAMES - _VALUES
    for row, layer in enumerate(known):
        top = row * _ROW + 4
        calls = f" x {layer.count}" if layer.count > 1 else ""
        drawing.text(_NAMES - 10, top + 15, layer.name + calls, anchor="end")
        end = 0.0
        for place, (cost_s, style, what) in enumerate(
            ((layer.before_s, "before", "hand-picked"), (layer.after_s, "after", "tuned"))
        ):
            if cost_s is None:
                continue
            width = room * cost_s * layer.count / longest_s
            tip = f"{layer.name}{calls}, {what}: {format_time(cost_s * layer.count)}"
            drawing.bar(_NAMES, top + 11 * place, width, 9, style, tip)
            end = max(end, width)
        drawing.text(_NAMES + end + 8, top + 15, _change(layer), "muted")
    return drawing.finish()


def _change(layer: LayerResult) -> str:
    assert layer.after_s is not None
    after = format_time(layer.after_s * layer.count)
    if layer.before_s is None:
        return after
    before = format_time(layer.before_s * layer.count)
    return f"{before} → {after}, {layer.before_s / layer.after_s:.2f}x"


def bytes_moved(layer: LayerResult) -> int:
    """Bytes of a layer's input, weights and output: what it has to move at least."""
    return layer.workload.bytes


def intensity(layer: LayerResult) -> float:
    """Floating-point operations for each byte that a layer has to move at least."""
    return layer.workload.flops / bytes_moved(layer)


def roof_flops_per_s(result: Result, layer: LayerResult) -> float | None:
    """Return what the board allows the layer at most: arithmetic or memory, whichever is less."""
    peak, bandwidth = result.peak_flops_per_s, result.dram_bytes_per_s
    if peak is None or bandwidth is None:
        return None
    return min(peak, bandwidth * intensity(layer))


def roofline(result: Result) -> str:
    """Each layer before (hollow) and after (filled) under the board's two roofs; '' if unknown."""
    peak, bandwidth = result.peak_flops_per_s, result.dram_bytes_per_s
    known = [(n, layer) for n, layer in enumerate(result.layers, start=1) if layer.after_s]
    if peak is None or bandwidth is None or not known:
        return ""
    height, left, bottom = 420, 60, 44
    rates = [
        layer.workload.flops / cost_s
        for _, layer in known
        for cost_s in (layer.before_s, layer.after_s)
        if cost_s
    ]
    intensities = [intensity(layer) for _, layer in known]
    ridge = peak / bandwidth
    widest = max(*intensities, ridge)
    x = LogScale(min(*intensities, ridge) / 1.6, widest * 1.6, left, _WIDTH - 20)
    y = LogScale(min(rates) / 1.6, max(*rates, peak) * 1.6, height - bottom, 12)
    drawing = Drawing(_WIDTH, height, "Roofline")
    for tick in x.ticks():
        drawing.line(x(tick), 12, x(tick), height - bottom, "grid")
        drawing.text(x(tick), height - bottom + 16, f"{tick:g}", "muted", "middle")
    for tick in y.ticks():
        drawing.line(left, y(tick), _WIDTH - 20, y(tick), "grid")
        drawing.text(left - 8, y(tick) + 4, f"{tick / 1e9:g}", "muted", "end")
    drawing.text(left, height - 6, "FLOP for each byte of input, weights and output", "muted")
    drawing.text(left + 6, 24, "GFLOP/s", "muted")
    start = max(x.low, y.low / bandwidth)
    drawing.path([(x(start), y(start * bandwidth)), (x(ridge), y(peak))], "roof")
    drawing.path([(x(ridge), y(peak)), (x(x.high), y(peak))], "roof")
    drawing.text(x(x.high), y(peak) - 8, f"peak {peak / 1e9:.1f} GFLOP/s", "roof-name", "end")
    drawing.text(
        x(start) + 34, y(start * bandwidth) + 8, f"memory {bandwidth / 1e9:.1f} GB/s", "roof-name"
    )
    places: list[tuple[float, float]] = []
    labels: list[tuple[float, float]] = []
    for _, layer in known:
        place = x(intensity(layer))
        assert layer.after_s is not None
        after = layer.workload.flops / layer.after_s
        if layer.before_s:
            before = layer.workload.flops / layer.before_s
            drawing.line(place, y(before), place, y(after), "step")
            drawing.dot(place, y(before), 4, "before hollow", f"{layer.name}, hand-picked")
        tip = f"{layer.name}, tuned: {after / 1e9:.1f} GFLOP/s"
        drawing.dot(place, y(after), 5, "after", tip)
        places.append((place, y(after)))
    for (number, _), spot in zip(known, places, strict=True):
        dx, dy, anchor = _free_side(spot, places, labels)
        labels.append((spot[0] + dx, spot[1] + dy))
        drawing.text(*labels[-1], str(number), "number", anchor)
    return drawing.finish()


def _free_side(
    spot: tuple[float, float],
    dots: Sequence[tuple[float, float]],
    labels: Sequence[tuple[float, float]],
) -> tuple[float, float, str]:
    """Return where beside a dot there is room for its number: the side with the least in it."""
    sides = ((8, 4, "start"), (-8, 4, "end"), (0, -9, "middle"), (0, 17, "middle"))

    def crowding(side: tuple[float, float, str]) -> float:
        x, y = spot[0] + 1.6 * side[0], spot[1] + side[1] - 4
        others = [*(dot for dot in dots if dot != spot), *((a, b - 4) for a, b in labels)]
        return sum(abs(a - x) < 11 and abs(b - y) < 9 for a, b in others)

    return min(sides, key=crowding)


def curve(layer: LayerResult) -> str:
    """The best time after each trial of a layer, with the trials as dots and failures as x."""
    width, height, left, top = 270, 130, 8, 10
    drawing = Drawing(width, height, f"Trials of {layer.name}")
    low_s, high_s = _range(layer)
    best_s = layer.after_s or low_s

    def x(index: float) -> float:
        return left + (width - 2 * left) * index / max(1, len(layer.trials) - 1)

    def y(cost_s: float) -> float:
        part = (min(cost_s, high_s) - low_s) / (high_s - low_s)
        return height - 22 - part * (height - 22 - top)

    if layer.before_s:
        drawing.line(left, y(layer.before_s), width - left, y(layer.before_s), "reference")
    steps: list[tuple[float, float]] = []
    lowest_s = None
    for index, trial in enumerate(layer.trials):
        tip = _describe(trial)
        if trial.cost_s is None:
            drawing.cross(x(index), top, "failed", tip)
        else:
            is_off = " off" if trial.cost_s > high_s else ""
            drawing.dot(x(index), y(trial.cost_s), 2.2, f"trial{is_off}", tip)
            if lowest_s is None or trial.cost_s < lowest_s:
                if lowest_s is not None:
                    steps.append((x(index), y(lowest_s)))
                steps.append((x(index), y(trial.cost_s)))
                lowest_s = trial.cost_s
    if lowest_s is not None:
        steps.append((width - left, y(best_s)))
        drawing.path(steps, "best")
    drawing.text(left, height - 6, f"{len(layer.trials)} trials", "muted")
    drawing.text(width - left, height - 6, f"best {format_time(best_s)}", "muted", "end")
    return drawing.finish()


def _range(layer: LayerResult) -> tuple[float, float]:
    """Return the times at the bottom and the top of a curve: slow trials are cut off."""
    best_s = layer.after_s or 1.0
    slowest_s = max((trial.cost_s or 0.0 for trial in layer.trials), default=best_s)
    high_s = max(min(slowest_s, 2.0 * best_s), layer.before_s or 0.0, 1.1 * best_s)
    return 0.95 * best_s, 1.02 * high_s


def _describe(trial: Record) -> str:
    config = ", ".join(f"{knob} {value}" for knob, value in trial.config.items())
    came = trial.error["kind"] if trial.error else format_time(trial.cost_s or 0.0)
    return f"{trial.schedule['name']}: {config}: {came}"


def shares(parts: Sequence[tuple[str, float, str]]) -> str:
    """One bar cut into parts: (name, seconds, style)."""
    total_s = sum(seconds for _, seconds, _ in parts)
    drawing = Drawing(_WIDTH, 26, "Where the time goes")
    start = 0.0
    for name, seconds, style in parts:
        width = _WIDTH * seconds / total_s
        tip = f"{name}: {format_time(seconds)}, {seconds / total_s:.0%}"
        drawing.bar(start, 2, width - 1, 22, style, tip)
        start += width
    return drawing.finish()
