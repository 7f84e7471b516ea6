"""The shape of a network's input: what its file says, and what the user adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuner.errors import UserError

Shape = Sequence[int] | Mapping[str, Sequence[int]]
"""Extents of the one input, or of the input of that name."""


def resolve(
    source: str, name: str, declared: Sequence[int | None] | None, given: Shape | None
) -> tuple[int, ...]:
    """Return the shape of the input called `name` of the network in `source`.

    Args:
        declared: what the file says, None where it leaves an extent open, or all of them.

    Raises:
        UserError: an extent is open still, or `given` contradicts the file.
    """
    written = "?" if declared is None else "x".join(str(extent or "?") for extent in declared)
    if given is None:
        if declared is None or not all(declared):
            example = ",".join(str(extent or 1) for extent in declared or (1, 3, 224, 224))
            raise UserError(
                f"the input {name} of {source} has no fixed shape ({written})",
                f"give it with --shape, for example {name}={example}",
            )
        return tuple(extent for extent in declared if extent)
    if isinstance(given, Mapping):
        if list(given) != [name]:
            raise UserError(
                f"the input of {source} is {name}, not {' and '.join(given) or 'without a name'}",
                f"give the shape of {name} only",
            )
        given = given[name]
    shape = tuple(int(extent) for extent in given)
    if not shape or min(shape) < 1:
        raise UserError(f"{shape} is no shape of {name}", "give positive extents")
    if declared is not None and not _fits(shape, declared):
        raise UserError(
            f"--shape {'x'.join(map(str, shape))} does not fit the input {name} of {source} "
            f"({written})",
            "change only what is marked with ?",
        )
    return shape


def _fits(shape: Sequence[int], declared: Sequence[int | None]) -> bool:
    return len(shape) == len(declared) and all(
        extent in (None, given) for extent, given in zip(declared, shape, strict=True)
    )
