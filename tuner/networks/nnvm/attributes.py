"""The attributes of a node: texts in the file, typed here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from tuner.networks.nnvm.errors import Unusable

_LARGEST = 2**31 - 1
_UNSET = ("", "None", "__undef__")
_BETWEEN = re.compile(r"[\s()\[\],]+")
_INTEGER = re.compile(r"[+-]?\d{1,10}L?")  # Python 2 wrote longs: "(3L, 3L)"
_BOOLS = {"true": True, "1": True, "false": False, "0": False}


class Attributes:
    """Typed access; every method raises `Unusable` where a text does not fit its type.

    A `default` of None makes an attribute required.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def has(self, name: str) -> bool:
        """Whether the attribute is set, and not to None."""
        return self._texts.get(name, "") not in _UNSET

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text."""
        if self.has(name):
            return self._texts[name]
        if default is None:
            raise Unusable(f"its attribute {name} is missing")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """Return a truth value, written True, true, 1, False, false or 0."""
        text = self.text(name, str(default))
        if text.lower() not in _BOOLS:
            raise self._misfit(name, "True or False")
        return _BOOLS[text.lower()]

    def number(self, name: str, default: float | None = None) -> float:
        """Return a finite number."""
        text = self.text(name, None if default is None else repr(default))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._misfit(name, "a number")
        return value

    def integers(
        self, name: str, default: Iterable[int] | None = None, least: int = -_LARGEST
    ) -> tuple[int, ...]:
        """Return integers, none less than `least`, written as a tuple, a list or one alone."""
        text = self.text(name, None if default is None else str(tuple(default)))
        words = [word for word in _BETWEEN.split(text) if word]
        fits = all(_INTEGER.fullmatch(word) for word in words)
        values = tuple(int(word.rstrip("L")) for word in words) if fits else ()
        if not fits or any(not least <= value <= _LARGEST for value in values):
            raise self._misfit(name, f"integers of at least {least}" if least >= 0 else "integers")
        return values

    def integer(self, name: str, default: int | None = None, least: int = -_LARGEST) -> int:
        """Return one integer."""
        values = self.integers(name, None if default is None else (default,), least)
        if len(values) != 1:
            raise self._misfit(name, "one integer")
        return values[0]

    def pair(self, name: str, default: int | None = None, least: int = 0) -> tuple[int, int]:
        """Return two integers, of rows and columns; one alone stands for both."""
        values = self.integers(name, None if default is None else (default,) * 2, least)
        if not values and default is not None:  # MXNet writes () for its default
            values = (default,) * 2
        if len(values) == 1:
            values *= 2
        if len(values) != 2:
            raise self._misfit(name, "two integers: rows and columns")
        return values[0], values[1]

    def padding(self, name: str) -> tuple[int, int, int, int]:
        """Return rows above, columns left, rows below, columns right; 0 by default."""
        values = self.integers(name, (0, 0), least=0)
        if len(values) == 4:
            return values[0], values[1], values[2], values[3]
        return self.pair(name, 0) * 2

    def choice(self, name: str, default: str | None, choices: Iterable[str]) -> str:
        """Return one of the texts that are supported."""
        known = tuple(choices)
        text = self.text(name, default)
        if text not in known:
            raise Unusable(f"its {name} is {text}; supported: {', '.join(known)}")
        return text

    def require_layout(self, name: str, layout: str) -> None:
        """Raise unless a layout is this one, or not said."""
        text = self.text(name, layout)
        if text != layout:
            raise Unusable(
                f"its {name} is {text}, only {layout} can be read",
                f"convert the graph to {layout} where it comes from",
            )

    def _misfit(self, name: str, kind: str) -> Unusable:
        return Unusable(f"its attribute {name} is {self._texts.get(name)!r}, not {kind}")
