"""A fire module with all its shape facts, and the names of the ways to compute it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .workload import Conv2dWorkload

ONE_FUNCTION = "conv2d_squeezenet_fire"
IN_PIECES = "conv2d_in_pieces"
VERSIONS = {ONE_FUNCTION: 1, IN_PIECES: 1}
"""Way to compute a fire module -> its version.

Raised as those of schedules are, and where the hand-picked configs with which the tuner measures
the 3x3 (and the pieces) change what was measured.
"""

_PREFIX, _BETWEEN = "fire/", "+"


@dataclass(frozen=True)
class FireWorkload:
    """The three convolutions of a fire module; both expanding ones read the squeezed tensor.

    Raises:
        ValueError: an expanding convolution does not read what the squeeze writes, or their results
            cannot be concatenated.
    """

    squeeze: Conv2dWorkload
    expand1x1: Conv2dWorkload
    expand3x3: Conv2dWorkload

    def __post_init__(self) -> None:
        squeeze = self.squeeze
        squeezed = (squeeze.n, squeeze.co, squeeze.oh, squeeze.ow)
        for part in (self.expand1x1, self.expand3x3):
            if (part.n, part.ci, part.h, part.w) != squeezed:
                raise ValueError(f"{part.key} does not read what {squeeze.key} writes")
        one, three = self.expand1x1, self.expand3x3
        if (one.oh, one.ow) != (three.oh, three.ow):
            raise ValueError(f"results of {one.key} and {three.key} cannot be concatenated")

    @property
    def parts(self) -> tuple[Conv2dWorkload, Conv2dWorkload, Conv2dWorkload]:
        """Squeeze, expanding 1x1, expanding 3x3."""
        return self.squeeze, self.expand1x1, self.expand3x3

    @property
    def n(self) -> int:
        """Images."""
        return self.squeeze.n

    @property
    def co(self) -> int:
        """Channels of the concatenation."""
        return self.expand1x1.co + self.expand3x3.co

    @property
    def pixels(self) -> int:
        """Output pixels of one image."""
        return self.expand1x1.pixels

    @property
    def k(self) -> int:
        """Length of the longest sum behind one value."""
        return max(part.k for part in self.parts)

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return sum(part.macs for part in self.parts)

    @property
    def flops(self) -> int:
        """Floating-point operations; a multiply-accumulate counts as two."""
        return 2 * self.macs

    @property
    def bytes(self) -> int:
        """Bytes of input, weights and output: what must cross the memory bus once."""
        squeeze = self.squeeze
        weights = sum(math.prod(part.weight_shape) for part in self.parts)
        data = squeeze.n * squeeze.ci * squeeze.h * squeeze.w
        return 4 * (data + weights + self.n * self.co * self.pixels)

    @property
    def key(self) -> str:
        """Stable text that names the workload in logs, records and `schedules.using`."""
        return _PREFIX + _BETWEEN.join(part.key for part in self.parts)

    @classmethod
    def from_key(cls, key: str) -> FireWorkload:
        """The workload that `key` names.

        Raises:
            ValueError: `key` is not a fire module's key.
        """
        parts = key.removeprefix(_PREFIX).split(_BETWEEN)
        if not key.startswith(_PREFIX) or len(parts) != 3:
            raise ValueError(f"not a fire module's key: {key!r}")
        return cls(*map(Conv2dWorkload.from_key, parts))

    def describe(self) -> str:
        """Short text for tables, e.g. `fire 64->16->64+64 @55x55`."""
        squeeze = self.squeeze
        expanded = f"{self.expand1x1.co}+{self.expand3x3.co}"
        return f"fire {squeeze.ci}->{squeeze.co}->{expanded} @{squeeze.h}x{squeeze.w}"
