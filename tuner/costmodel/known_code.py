"""What the code of candidates is like that were not compiled: as the most alike that was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuner.costmodel import estimate

if TYPE_CHECKING:
    from tuner.search.candidate import Candidate, Space

# Of one register tile; the code of more of them says nothing new.
_KEPT = 12
_Tile = tuple[float, ...]


class KnownCode:
    """Remembers the facts of what was compiled, whatever workload it was for.

    The inner loops hang on the schedule and its register tile, hardly on other knobs or the layer:
    a few candidates tell of all.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[_Tile, list[tuple[str, Candidate, Mapping[str, Any]]]]] = (
            defaultdict(lambda: defaultdict(list))
        )

    def add(self, space: Space, candidate: Candidate, static: Mapping[str, Any] | None) -> None:
        """Take in what `candidate` was compiled to, if it is known."""
        if static is None or not estimate.is_readable(static):
            return
        of_tile = self._known[candidate.schedule][space.tile(candidate)]
        of_tile.append((space.workload.key, candidate, static))
        del of_tile[:-_KEPT]

    def nearest(self, space: Space, candidate: Candidate) -> Mapping[str, Any] | None:
        """Return the facts of the candidate of the same schedule that is most alike, if any.

        The same tile counts first, then the same workload, then the number of equal knobs.
        """
        by_tile = self._known.get(candidate.schedule)
        if not by_tile:
            return None
        wanted = space.tile(candidate)
        tile = min(by_tile, key=lambda tile: sum(a != b for a, b in zip(tile, wanted, strict=True)))
        _, _, static = min(
            reversed(by_tile[tile]),
            key=lambda known: (known[0] != space.workload.key, candidate.distance(known[1])),
        )
        return static
