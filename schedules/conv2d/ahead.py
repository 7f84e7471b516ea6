"""What a micro-kernel fetches ahead, while it runs."""

from __future__ import annotations

from tvm import tirx

from ..microkernels.inline_asm import NEAR_BYTES


def next_if_last(turn, turns, elements: int):
    """What a kernel can fetch while it runs the last of `turns` times with the same weights.

    The first turn finds them in L2, then. One turn alone has no time for both its own weights and
    the next ones.

    Returns:
        `next_weights` of `MicroKernel.emit`: `elements` on, in the last turn.
    """
    if isinstance(turns, int) and turns == 1:
        return None
    return tirx.Select(tirx.all(turn == turns - 1, turns > 1), elements, NEAR_BYTES // 4)
