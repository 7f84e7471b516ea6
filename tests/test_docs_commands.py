"""The commands in the pages on deployment and farms are ones that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tuner import cli

DOCS = Path(__file__).parent.parent / "docs"
_COMMAND = re.compile(r"^python -m tuner (.+)$", re.MULTILINE)
COMMANDS = sorted(
    {
        found
        for page in ("deploy.md", "export.md", "farm.md", "server.md")
        for found in _COMMAND.findall((DOCS / page).read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_options_that_exist(command):
    words = shlex.split(command)
    name = words.pop(0) if words[0] in cli.command_line.commands else "tune"
    verb = cli.command_line.commands[name]
    verb.make_context(name, words).close()  # parses, and does not run it
