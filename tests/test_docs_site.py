"""The documentation: the site builds, links lead somewhere, commands and examples are right."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tuner.cli import command_line

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.M)
_MARKED = re.compile(r"^<!-- (run|file)(?:: (\S+))? -->\n```\w+\n(.*?)^```$", re.M | re.S)
_OUTPUT = re.compile(r"\n\n```text\n(.*?)^```$", re.M | re.S)
_REPO_PATH = re.compile(r"(?:schedules|tuner|tests|benchmarks|docs)/[a-z0-9_./-]+")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def _prose(page: Path) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of the page's headings."""
    anchors: list[str] = []
    for heading in _HEADING.findall(_prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        repeated = anchors.count(anchor)
        anchors.append(f"{anchor}-{repeated}" if repeated else anchor)
    return set(anchors)


def _links(page: Path) -> list[tuple[Path, str]]:
    """File and anchor of each link of the page that is not to the web."""
    targets = [t.partition("#") for t in _LINK.findall(_prose(page)) if ":" not in t]
    return [((page.parent / file).resolve() if file else page, a) for file, _, a in targets]


@every_page
def test_links_lead_somewhere(page):
    for target, anchor in _links(page):
        assert target.exists(), f"{page.name} links to {target}, which does not exist"
        assert ROOT in target.parents, f"{page.name} links to {target}, out of the repository"
        if anchor:
            assert anchor in _anchors(target), f"{target.name} has no heading #{anchor}"


def test_every_page_is_reachable_from_the_index():
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += [target for target, _ in _links(page) if target in PAGES]
    lost = {page.name for page in PAGES[1:]} - {page.name for page in reached}
    assert not lost, f"no page leads to {', '.join(sorted(lost))}: add a link to docs/index.md"


def test_the_readme_links_to_the_index():
    assert DOCS / "index.md" in [target for target, _ in _links(ROOT / "README.md")]


@every_page
def test_files_that_are_named_exist(page):
    for code in _CODE.findall(_prose(page)):
        if _REPO_PATH.fullmatch(code):
            assert (ROOT / code).exists(), f"{page.name} names {code}, which does not exist"


def _commands(page: Path) -> list[tuple[str, bool]]:
    """What follows `python -m tuner`, and whether it stands in a block, for the reader to copy."""
    blocks = [block for kind, block in _FENCE.findall(page.read_text()) if kind in ("", "sh")]
    whole = [block.replace("\\\n", "") for block in blocks]  # lines that go on
    lines = [line.removeprefix("$ ") for block in whole for line in block.splitlines()]
    named = [(line, False) for line in _CODE.findall(_prose(page))]
    start = "python -m tuner "
    return [
        (line.removeprefix(start).removesuffix("&&"), to_copy)
        for line, to_copy in [*((line, True) for line in lines), *named]
        if line.startswith(start) and "..." not in line
    ]


@every_page
def test_commands_are_understood(page):
    for command, to_copy in _commands(page):
        words = shlex.split(command, comments=True)
        name = words.pop(0) if words[0] in command_line.commands else "tune"
        verb = command_line.commands[name]
        try:
            if to_copy:
                verb.make_context(name, words).close()  # parses, and does not run it
                continue
            # In the text, values stand for the reader's own, and what is needed may be left out.
            _, rest, _ = verb.make_parser(click.Context(verb)).parse_args(words)
        except click.UsageError as error:
            pytest.fail(f"{page.name}: python -m tuner {command}: {error.format_message()}")
        assert not rest, f"{page.name}: python -m tuner {command}: {rest} is too much"


@every_page
def test_marked_blocks_are_true(page):
    """`<!-- run -->`: prints the block that follows. `<!-- file: F -->`: stands so in F."""
    text = page.read_text(encoding="utf-8")
    for match in _MARKED.finditer(text):
        kind, file, block = match.groups()
        if kind == "file":
            assert block in (ROOT / file).read_text(encoding="utf-8"), f"not in {file}"
            continue
        output = _OUTPUT.match(text, match.end())
        assert output, f"{page.name}: a block to run lacks the block with what it prints"
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, page.name, "exec"), {"__name__": "example"})
        assert printed.getvalue() == output[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; a warning of the generator fails it."""
    for needed in ("mkdocs", "mkdocstrings_handlers.python"):
        pytest.importorskip(needed, reason="pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    run = subprocess.run(
        [*command, "-f", DOCS / "site" / "mkdocs.yml", "-d", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def test_the_site_has_all_pages_and_needs_no_network(site):
    for page in PAGES[1:]:
        html = (site / f"{page.stem}.html").read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img)[^>]* src=\"(?:https?:)?//[^>]*>", html)
        assert not re.findall(r"<link[^>]* rel=\"stylesheet\"[^>]* href=\"(?:https?:)?//", html)
        for other in PAGES[1:]:
            assert f'href="{other.stem}.html' in html or other == page or other.stem == "index"


@pytest.mark.parametrize("name", ["schedules", "schedules.testing", "tuner.networks"])
def test_the_reference_has_every_public_name(site, name):
    module, html = importlib.import_module(name), (site / "api.html").read_text(encoding="utf-8")
    for public in module.__all__:
        item = getattr(module, public)
        if inspect.isclass(item) or inspect.isfunction(item):
            own = f"{item.__module__}.{item.__qualname__}"
            assert f'id="{name}.{public}"' in html or f'id="{own}"' in html, f"{public} is missing"


def _navigation():
    spec = importlib.util.spec_from_file_location("navigation", DOCS / "site" / "navigation.py")
    navigation = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(navigation)
    return navigation


def test_the_sections_name_pages_that_exist():
    named = {name for names in _navigation().SECTIONS.values() for name in names}
    missing = named - {page.stem for page in PAGES}
    assert not missing, f"docs/site/navigation.py names {', '.join(sorted(missing))}"


def test_a_page_that_no_section_names_comes_last(tmp_path):
    for name in ("tune", "index", "unheard-of"):
        (tmp_path / f"{name}.md").touch()
    sections = {title: names for title, names in _navigation().pages(tmp_path).items() if names}
    assert list(sections.values()) == [["index", "tune"], ["unheard-of"]]
