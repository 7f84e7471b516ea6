"""The order of the site's pages. A page that no section names comes last, under "More"."""

from __future__ import annotations

from pathlib import Path

SECTIONS = {
    "Start": ("index", "getting-started", "tune", "report", "explain"),
    "Your network": ("import", "export", "deploy", "autotvm"),
    "Boards": ("connect", "board", "server", "farm", "board-health", "hardware", "fidelity"),
    "Schedules": ("schedules", "write-a-schedule", "microkernels"),
    "How it works": ("architecture", "search", "benchmarks", "formats", "api"),
}
_REST = "More"


def pages(folder: Path) -> dict[str, list[str]]:
    """Return section -> names of the pages in `folder`, each page once."""
    names = {path.stem for path in folder.glob("*.md")}
    sections = {
        title: [name for name in listed if name in names] for title, listed in SECTIONS.items()
    }
    rest = names.difference(*sections.values())
    return {**sections, _REST: sorted(rest)} if rest else sections


def on_config(config):
    """Give MkDocs its navigation; the titles are the pages' own."""
    sections = pages(Path(config.docs_dir))
    config.nav = [{title: [f"{name}.md" for name in names]} for title, names in sections.items()]
    return config
