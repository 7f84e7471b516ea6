"""Attributes that a docstring describes together, `h, w: size`, as the site's tables want them."""

from __future__ import annotations

import re
from typing import Any

import griffe

_TOGETHER = re.compile(r"^( +)(\w+(?:, \w+)+): (.*(?:\n\1 +.*)*)", re.M)


class SplitNames(griffe.Extension):
    """Gives each name a line of its own, with the text they share."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = _TOGETHER.sub(_split, obj.docstring.value)


def _split(match: re.Match[str]) -> str:
    indent, names, text = match.groups()
    return "\n".join(f"{indent}{name}: {text}" for name in names.split(", "))
