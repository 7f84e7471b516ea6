"""README's headline table and figure, from the results that `python -m tuner --json` printed."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks import generated
from benchmarks.peers import stored

README = generated.ROOT / "README.md"
FIGURE = generated.ROOT / "docs" / "img" / "squeezenet.svg"
MARK = "results"
_BUILDS = {
    "tvm_default": "TVM's default build",
    "hand_picked": "hand-picked configs",
    "tuned": "tuned",
}


def results() -> list[dict]:
    """The stored results, one a board, by name."""
    return generated.load("squeezenet.*.json")


def table(rows: list[dict]) -> str:
    """The results as a Markdown table; every time says where it is from."""
    lines = [
        "| board | TVM's default build | hand-picked configs | tuned |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        origin = f"(emulated, timing model v{row['model']})" if row["emulated"] else ""
        cells = [f"`{row['board']}` {origin}, {row['threads']} cores"]
        base = row["tvm_default"]["cycles"]
        for name in _BUILDS:
            cycles, ms = row[name]["cycles"], row[name]["ms"]
            gain = "" if name == "tvm_default" else f", {base / cycles:.1f}x"
            cells.append(f"{cycles / 1e6:,.1f} Mcycles, {ms:,.1f} ms{gain}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(rows: list[dict], path: Path) -> None:
    """Bars of one inference a board and build, on a logarithmic scale, as SVG."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 0.8 + 0.9 * len(rows)))
    for i, (name, label) in enumerate(_BUILDS.items()):
        places = [n + 0.27 * (1 - i) for n in range(len(rows))]
        times = [row[name]["ms"] for row in rows]
        bars = axes.barh(places, times, height=0.25, label=label)
        axes.bar_label(bars, [f"{ms:,.0f} ms" for ms in times], padding=3)
    models = sorted({f"timing model v{row['model']}" for row in rows})
    axes.set_yticks(range(len(rows)), [f"{row['board']} (emulated)" for row in rows])
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlabel(f"ms for one inference of SqueezeNet 1.1 at 224x224 ({', '.join(models)})")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    generated.save(figure, rows, path)


@click.command("summary")
def summary_verb() -> None:
    """Write tables and figures of README and docs from benchmarks/results (needs matplotlib)."""
    rows, compared = results(), stored.results()
    generated.update(README, MARK, table(rows))
    draw(rows, FIGURE)
    generated.update(stored.PAGE, stored.MARK, stored.table(compared))
    for path in stored.FIGURES:
        stored.draw(compared, path)
    click.echo(f"{table(rows)}\n\n{stored.table(compared)}")
