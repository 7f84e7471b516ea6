"""An order to begin with on a core where vector loads must keep their distance from products.

Where no vector load may issue `fma_load_gap` cycles after a multiply-accumulate, loads that issue
that many cycles apart, and nothing but loads in those cycles, never wait: each is in the shadow of
the one before.  Annealing does not come to that by moving one or two instructions at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from schedules.hardware import Core
from schedules.microkernels.body import HINT, PRODUCT, Line
from tuner.kernel_search.legality import Dependencies

_OTHER, _PRODUCT, _LOAD, _MOVE = "other", "product", "vector load", "move"


def paced(core: Core, lines: Sequence[Line], dependencies: Dependencies) -> list[int]:
    """List scheduling: every `fma_load_gap`-th cycle is for vector loads and moves, until all have
    been issued, the others for products; of what is ready, the first in the plain order.

    Args:
        lines: of a body in its plain order, with its `dependencies`. The branch is last.

    Returns:
        A legal order; the plain one for a core without such a rule.
    """
    gap = int(core.figures["fma_load_gap"].value) if "fma_load_gap" in core.figures else 0
    if not gap:
        return list(range(len(lines)))
    kinds = [_kind(line) for line in lines]
    waits = [_wait(core, kind, line) for kind, line in zip(kinds, lines, strict=True)]
    width = int(core.figures["issue_width"].value)
    most_moves = int(core.figures["kernel_moves_per_cycle"].value)
    # What may pair with what: the numbers of each kind that one cycle takes.
    load_cycle = {_LOAD: 1, _MOVE: most_moves, _PRODUCT: 0, _OTHER: 1}
    product_cycle = {_LOAD: 0, _MOVE: 0, _PRODUCT: 1, _OTHER: 1}
    left = sorted(
        range(len(lines) - 1),
        key=lambda n: (kinds[n] == _OTHER, lines[n].kind == HINT, kinds[n] == _LOAD, n),
    )
    issued: dict[int, int] = {}
    cycle = 0
    while left:
        loads_left = any(kinds[n] in (_LOAD, _MOVE) for n in left)
        room = dict(load_cycle if loads_left and cycle % gap == 0 else product_cycle)
        free, memory = width, 1
        for n in list(left):
            accesses = _accesses_memory(lines[n])
            if not (free and room[kinds[n]] and memory >= accesses):
                continue
            if dependencies.earliest(n, issued, waits) <= cycle:
                issued[n] = cycle
                left.remove(n)
                room[kinds[n]] -= 1
                free, memory = free - 1, memory - accesses
        cycle += 1
    return [*issued, len(lines) - 1]


def _kind(line: Line) -> str:
    if line.kind == PRODUCT:
        return _PRODUCT
    destination = line.text.split()[1]
    if destination[0] not in "dqv":
        return _OTHER
    return _LOAD if _accesses_memory(line) else _MOVE


def _accesses_memory(line: Line) -> bool:
    return "[{" in line.text  # a lane of a register is no address


def _wait(core: Core, kind: str, line: Line) -> int:
    """Cycles until the result can be used."""
    if kind == _PRODUCT:
        return int(core.figures["fma_addend_latency"].value)
    if kind == _OTHER:
        is_load = _accesses_memory(line) and line.kind != HINT
        return core.timing["load"].latency if is_load else 1
    return core.timing["vload" if kind == _LOAD else "to_vector"].latency
