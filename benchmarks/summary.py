"""README's headline table and figure, from the results that `python -m tuner --json` printed."""

from __future__ import annotations

import json
from pathlib import Path

import click

RESULTS = Path(__file__).with_name("results")
ROOT = Path(__file__).parent.parent
FIGURE = ROOT / "docs" / "img" / "squeezenet.svg"
_BEGIN, _END = "<!-- results: begin -->", "<!-- results: end -->"
_BUILDS = {
    "tvm_default": "TVM's default build",
    "hand_picked": "hand-picked configs",
    "tuned": "tuned",
}


def results() -> list[dict]:
    """The stored results, one a board, by name."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob("squeezenet.*.json"))]


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


def readme_with(text: str, rows: list[dict]) -> str:
    """README's `text` with the table in its place."""
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    return f"{before}{_BEGIN}\n{table(rows)}\n{_END}{after}"


def draw(rows: list[dict], path: Path) -> None:
    """Bars of one inference a board and build, on a logarithmic scale, as SVG."""
    from matplotlib import pyplot

    pyplot.rcParams["svg.hashsalt"] = "tvm-arm-schedules"  # the same file for the same results
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
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


@click.command("summary")
def summary_verb() -> None:
    """Write README's table and figure from benchmarks/results (needs matplotlib)."""
    rows = results()
    readme = ROOT / "README.md"
    readme.write_text(readme_with(readme.read_text(encoding="utf-8"), rows), encoding="utf-8")
    draw(rows, FIGURE)
    click.echo(table(rows))
