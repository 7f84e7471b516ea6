"""How many trials each task gets."""

from __future__ import annotations

from collections.abc import Sequence

# Below this a task would only ever see its hand-picked configs.
_MINIMUM = 3


def share(trials: int, weights: Sequence[float], capacities: Sequence[int]) -> list[int]:
    """Divide `trials` over tasks in proportion to `weights`.

    Each task gets a few trials whatever its weight, and none more than its capacity; what one
    cannot take goes to the others.

    Args:
        weights: seconds each task contributes to the network.
        capacities: configs of each task that are not measured yet.

    Returns:
        Trials of each task; their sum is `trials`, or less when the capacities are smaller.
    """
    minimum = min(_MINIMUM, trials // max(1, len(weights)))
    shares = [min(minimum, capacity) for capacity in capacities]
    for _ in range(trials - sum(shares)):
        # One by one to the task that is furthest behind: exact, and ties go to the first.
        open_tasks = [i for i in range(len(shares)) if shares[i] < capacities[i]]
        if not open_tasks:
            break
        shares[max(open_tasks, key=lambda i: weights[i] / (shares[i] + 1))] += 1
    return shares
