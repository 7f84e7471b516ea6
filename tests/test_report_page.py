"""`tuner report`: one HTML file that a real browser shows, with every figure labelled."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import logs
import numpy as np
import pytest
from click.testing import CliRunner

from schedules import FireWorkload
from tuner import records
from tuner.board.emulator import params
from tuner.cli.report import report_verb
from tuner.records import Log
from tuner.report import charts, page, results
from tuner.report.units import format_time

LABEL = f"rk3288 (emulated, timing model v{params.MODEL_VERSION})"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
BLUE = {"light": (0x09, 0x69, 0xDA), "dark": (0x58, 0xA6, 0xFF)}
PAGE = {"light": (0xFF, 0xFF, 0xFF), "dark": (0x0D, 0x11, 0x17)}


def _render(log: Path) -> str:
    return page.render(log.name, results.read(log))


class _Outline(HTMLParser):
    """Collects what the tests look at, and fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.captions: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        if tag == "figcaption":
            self.captions.append("")
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "figcaption" in self.open:
            self.captions[-1] += data


def test_it_has_every_section_and_every_figure_says_what_it_is_of(squeezenet_log):
    text = _render(squeezenet_log)
    outline = _Outline(text)
    titles = re.findall("<h2>(.*?)</h2>", text)
    assert titles == ["End to end", "Where the time goes", "Layers, before and after", "Roofline",
                      "Trials", "Errors"]  # fmt: skip
    assert len(outline.captions) == 4
    assert all(LABEL in caption for caption in outline.captions)
    assert outline.tags["svg"] == 3 + 26  # layers, roofline, shares; a curve a layer
    for figure in ("30.00 ms", "50.0x", "1.07x", "TVM 0.27", "4 threads", "1.80 GHz"):
        assert figure in text


def test_it_needs_nothing_but_itself(squeezenet_log):
    text = _render(squeezenet_log)
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|\bhref=|url\(|@import|https?:", text)


def test_what_a_log_says_is_text_and_not_html(squeezenet_log):
    assert "<SIGSEGV>" not in _render(squeezenet_log)
    with Log(squeezenet_log) as log:
        trial = log.trials[-1]
        error = {"kind": "run", "text": "<script>alert(1)</script>"}
        log.append(replace(trial, config={"a": 1}, costs_s=(), error=error))
    assert "&lt;script&gt;alert(1)" in _render(squeezenet_log)


def test_layers_are_those_of_the_log(squeezenet_log):
    (result,) = results.read(squeezenet_log)
    convolutions = [x for x in result.layers if not isinstance(x.workload, FireWorkload)]
    assert len(convolutions) == 18 and sum(layer.count for layer in convolutions) == 26
    assert len(result.layers) == 18 + 8
    text = _render(squeezenet_log)
    for layer in result.layers:
        assert layer.name in text and format_time(layer.after_s) in text
        assert layer.before_s >= layer.after_s
        assert len([trial for trial in layer.trials if trial.error]) == 1


def test_roofs_are_the_boards(squeezenet_log):
    (result,) = results.read(squeezenet_log)
    assert result.peak_flops_per_s == 4 * 4 * 1.8e9
    assert result.dram_bytes_per_s == 2.2e9
    for layer in result.layers:
        roof = charts.roof_flops_per_s(result, layer)
        assert roof <= result.peak_flops_per_s
        assert roof <= result.dram_bytes_per_s * charts.intensity(layer) * (1 + 1e-9)


def test_a_run_that_has_not_ended_is_reported_as_far_as_it_went(tmp_path):
    text = _render(logs.squeezenet(tmp_path / "log.jsonl", whole=False))
    assert "has not come to its end" in text and "Where the time goes" not in text
    assert "all convolutions, tuned" in text


def test_a_log_without_runs_is_reported_by_shapes(tmp_path, squeezenet_log):
    path = tmp_path / "old.jsonl"
    path.write_text("".join(r.to_json() + "\n" for r in records.read(squeezenet_log)))
    text = _render(path)
    _Outline(text)
    assert "1x1 512-&gt;1000 @13x13" in text and LABEL in text


def test_a_log_in_which_everything_failed(tmp_path, squeezenet_log):
    path = tmp_path / "failed.jsonl"
    failed = [record for record in records.read(squeezenet_log) if record.error]
    path.write_text("".join(record.to_json() + "\n" for record in failed))
    text = _render(path)
    _Outline(text)
    assert "26 failed" in text and "Roofline" not in text


def test_records_of_others_do_no_harm(squeezenet_log):
    """A board that says no more than its fingerprint, a workload of another kind."""
    with Log(squeezenet_log) as log:
        trial = log.trials[-1]
        log.append(replace(trial, board={"fingerprint": "somebody's"}))
        log.append(replace(trial, workload="pool2d/float32", board={"fingerprint": "somebody's"}))
    last, first = results.read(squeezenet_log)
    assert last.label == "unnamed board (real board)" and len(last.layers) == 1
    text = page.render("log.jsonl", [last, first])
    _Outline(text)
    assert LABEL in text


def test_boards_are_not_mixed(tmp_path):
    path = tmp_path / "log.jsonl"
    logs.squeezenet(path)
    real = {"name": "rpi4", "emulated": False, "model": None, "fingerprint": "rpi4/real"}
    logs.squeezenet(path, board_changes=real, whole=False)
    last, first = results.read(path)
    assert (last.label, first.label) == ("rpi4 (real board)", LABEL)
    assert not last.builds and first.builds
    assert "<hr>" in page.render("log.jsonl", [last, first])


def test_the_verb_writes_beside_the_log(squeezenet_log):
    shown = CliRunner().invoke(report_verb, [str(squeezenet_log)], catch_exceptions=False).output
    path = squeezenet_log.with_suffix(".html")
    assert shown.startswith(f"{path}: ")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it(squeezenet_log, tmp_path, scheme):
    from matplotlib import image

    path, picture = tmp_path / "report.html", tmp_path / "report.png"
    path.write_text(_render(squeezenet_log), encoding="utf-8")
    subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--blink-settings=preferredColorScheme={['dark', 'light'].index(scheme)}",
         f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1100,4600",
         f"--screenshot={picture}", path.as_uri()],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    pixels = (image.imread(picture)[:, :, :3] * 255).round().astype(int)
    assert pixels.shape == (4600, 1100, 3)
    background = (pixels == PAGE[scheme]).all(axis=2).mean()
    assert 0.5 < background < 0.95
    bars = (pixels == BLUE[scheme]).all(axis=2)
    assert bars.sum() > 5000
    # From the first charts to the roofline: neither styles nor drawings were lost on the way.
    rows = np.flatnonzero(bars.any(axis=1))
    assert rows[0] < 1000 and rows[-1] > 3000
