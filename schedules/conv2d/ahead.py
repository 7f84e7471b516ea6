"""What a micro-kernel fetches ahead, while it runs."""

from __future__ import annotations

from tvm import tirx

from ..microkernels.base import Following


def following_if_last(turn, turns, elements) -> Following | None:
    """What a kernel can fetch while it runs the last of `turns` times with the same weights.

    The first turn finds them in L2, then. One turn alone has no time for both its own weights and
    the next ones.

    Args:
        elements: from the weights of these turns to those of the next ones.
    """
    if isinstance(turns, int) and turns == 1:
        return None
    return Following(tirx.all(turn == turns - 1, turns > 1), elements)
