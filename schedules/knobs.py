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
            and all(config[name] in values for name, values in self.knobs.items())
            and self.allowed(config)
        )

    def require(self, config: Config, schedule: str) -> None:
        """Checks a config that was written by hand.

        Raises:
            ValueError: it is not in the space; names the knob, its value and the legal ones.
        """
        for name in (*config, *self.knobs):
            if name not in self.knobs:
                legal = ", ".join(self.knobs)
                raise ValueError(f"{schedule} has no knob {name!r}: its knobs are {legal}")
            legal = ", ".join(map(str, self.knobs[name]))
            if name not in config:
                raise ValueError(f"{schedule} needs the knob {name!r}: its values are {legal}")
            if config[name] not in self.knobs[name]:
                value = f"{name}={config[name]!r}"
                raise ValueError(f"{schedule} takes no {value}: the values of {name} are {legal}")
        if not self.allowed(config):
            raise ValueError(f"{schedule} {self._refusal(config)}")

    def _refusal(self, config: Config) -> str:
        """Says of a config of legal values that do not go together what one of them could be."""
        for name, values in self.knobs.items():
            legal = [value for value in values if self.allowed({**config, name: value})]
            if legal:
                others = {other: config[other] for other in config if other != name}
                choices = ", ".join(map(str, legal))
                return (
                    f"does not take {name}={config[name]!r} with {others} for this workload and "
                    f"core: with these, the values of {name} are {choices}"
                )
        return f"does not take {dict(config)} for this workload and core: choose one of its space"

    def sample(self, rng: _Random, n: int) -> list[dict[str, int | str]]:
        """`n` distinct configs (fewer when the space is smaller), drawn uniformly."""
        chosen = rng.sample(range(len(self)), min(n, len(self)))
        return [self.configs[i] for i in chosen]

    def features(self, config: Config) -> list[float]:
        """One number a knob: log2 of a size, the position of a name among its values."""
        return [
            math.log2(value + 1)
            if isinstance(value := config[name], int)
            else float(values.index(value))
            for name, values in self.knobs.items()
        ]
