"""Knob spaces as plain data: the choices a schedule leaves open for one workload."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

Config = Mapping[str, int | str]


class _Random(Protocol):
    """What `sample` needs of a generator; `random.Random` has it."""

    def sample(self, population: Sequence[int], k: int) -> list[int]: ...


def _is_one_of(value: object, values: Sequence[int | str]) -> bool:
    """Membership by type and value: `True` is no 1 and `4.0` no 4; in a log they would differ."""
    return any(type(value) is type(each) and value == each for each in values)


def _listed(values: Sequence[int | str]) -> str:
    return ", ".join(map(repr, values))


@dataclass(frozen=True)
class KnobSpace:
    """All configs of a schedule for one workload on one core.

    Attributes:
        knobs: knob name -> its values, in a meaningful order (small to large where there is one).
        allowed: tells whether a combination makes sense (register budget, redundant choices).
    """

    knobs: Mapping[str, tuple[int | str, ...]]
    allowed: Callable[[Config], bool] = lambda config: True

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.knobs)

    @cached_property
    def configs(self) -> tuple[dict[str, int | str], ...]:
        """Every allowed config, in a stable order."""
        combinations = itertools.product(*self.knobs.values())
        all_configs = (dict(zip(self.knobs, values, strict=True)) for values in combinations)
        return tuple(config for config in all_configs if self.allowed(config))

    def __len__(self) -> int:
        return len(self.configs)

    def __iter__(self) -> Iterator[dict[str, int | str]]:
        return iter(self.configs)

    def __contains__(self, config: object) -> bool:
        return (
            isinstance(config, Mapping)
            and set(config) == set(self.knobs)
            and all(_is_one_of(config[name], values) for name, values in self.knobs.items())
            and self.allowed(config)
        )

    def validate(self, config: object) -> None:
        """Does nothing for a member of the space.

        Raises:
            ValueError: `config` is none; the message names the knob, its value and the legal ones.
        """
        if config not in self:
            raise ValueError(self._fault(config))

    def _fault(self, config: object) -> str:
        """What is wrong with a config that is no member."""
        if not isinstance(config, Mapping):
            return f"a config maps knobs to values, which {config!r} does not"
        for name in config:
            if name not in self.knobs:
                value = config[name]
                return f"no knob is called {name!r} (is {value!r}): legal are {_listed(self.names)}"
        for name, values in self.knobs.items():
            if name not in config:
                return f"knob {name!r} has no value: legal are {_listed(values)}"
            if not _is_one_of(config[name], values):
                return f"knob {name!r} is {config[name]!r}: legal are {_listed(values)}"
        return self._clash(config)

    def _clash(self, config: Config) -> str:
        """Which knob to change where legal values do not go together."""
        for name, values in self.knobs.items():
            legal = tuple(v for v in values if self.allowed({**config, name: v}))
            if legal:
                others = ", ".join(f"{n}={config[n]!r}" for n in self.knobs if n != name)
                return (
                    f"knob {name!r} is {config[name]!r}, which does not go with {others}: "
                    f"legal with these are {_listed(legal)}"
                )
        text = ", ".join(f"{name}={config[name]!r}" for name in self.knobs)
        return f"{text} do not go together: the closest legal config is {self._closest(config)}"

    def _closest(self, config: Config) -> str:
        """A legal config that shares as many values with `config` as any."""
        if not self.configs:
            return "no config at all"
        return str(max(self, key=lambda each: sum(each[n] == config[n] for n in self.knobs)))

    def sample(self, rng: _Random, n: int) -> list[dict[str, int | str]]:
        """`n` distinct configs (fewer when the space is smaller), drawn uniformly."""
        chosen = rng.sample(range(len(self)), min(n, len(self)))
        return [self.configs[i] for i in chosen]

    def features(self, config: Config) -> list[float]:
        """One number a knob: log2 of a size; if not all of its values are, the value's position."""
        return [
            math.log2(int(config[name]) + 1)
            if all(isinstance(value, int) for value in values)
            else float(values.index(config[name]))
            for name, values in self.knobs.items()
        ]
