"""Convolutions that find faults: odd, small, strided, dilated, unevenly padded, many-channelled."""

from __future__ import annotations

from ..workload import Conv2dWorkload

SHAPES = (
    Conv2dWorkload(1, 3, 27, 27, 10, 3, 3, stride=(2, 2)),  # a first layer, 3 channels
    Conv2dWorkload(1, 16, 13, 13, 24, 3, 3, padding=(1, 1, 1, 1)),
    Conv2dWorkload(1, 7, 55, 55, 5, 1, 1),
    Conv2dWorkload(2, 6, 27, 13, 9, 1, 1),  # a batch
    Conv2dWorkload(1, 6, 7, 7, 8, 1, 1, stride=(2, 2)),  # ResNet's shortcut
    Conv2dWorkload(1, 8, 1, 1, 1000, 1, 1),  # one pixel
    Conv2dWorkload(1, 4, 5, 3, 3, 1, 1),  # fewer channels than any register tile
    Conv2dWorkload(1, 5, 11, 12, 6, 5, 3, stride=(1, 2), padding=(2, 1, 0, 3), dilation=(2, 1)),
    Conv2dWorkload(1, 2, 9, 30, 6, 1, 7, padding=(0, 3, 0, 3)),
    Conv2dWorkload(1, 3, 23, 23, 7, 7, 7, stride=(2, 2), padding=(3, 3, 3, 3)),
    Conv2dWorkload(1, 6, 14, 14, 6, 3, 3, padding=(1, 1, 1, 1), groups=6),
    Conv2dWorkload(2, 5, 13, 27, 5, 3, 3, stride=(2, 2), padding=(1, 1, 1, 1), groups=5),
    Conv2dWorkload(1, 3, 11, 9, 3, 5, 5, padding=(2, 2, 2, 2), groups=3),
    Conv2dWorkload(1, 3, 19, 22, 3, 3, 3, stride=(1, 3), dilation=(2, 1), groups=3),
    Conv2dWorkload(1, 12, 10, 9, 8, 3, 3, padding=(1, 1, 1, 1), groups=4),
    Conv2dWorkload(1, 6, 13, 13, 10, 5, 5, padding=(2, 2, 2, 2), groups=2),  # as in AlexNet
    Conv2dWorkload(2, 64, 7, 9, 64, 3, 3, padding=(1, 1, 1, 1), groups=32),  # as in ResNeXt
    Conv2dWorkload(1, 9, 8, 3, 27, 1, 1, groups=3),
    Conv2dWorkload(1, 5, 9, 11, 10, 3, 2, stride=(2, 1), padding=(0, 1, 1, 0), groups=5),
    Conv2dWorkload(3, 37, 1, 1, 41, 1, 1),  # a fully connected layer
    Conv2dWorkload(1, 3, 111, 75, 67, 3, 3, stride=(2, 1), padding=(0, 1, 1, 0)),  # a large output
    Conv2dWorkload(1, 5, 71, 71, 27, 1, 1),  # the same, an odd number of pixels
)
"""Small ones of every kind; each is computed in some milliseconds."""

UNUSUAL = (
    Conv2dWorkload(1, 8, 14, 14, 8, 3, 3, dtype="float16"),
    Conv2dWorkload(1, 8, 14, 14, 8, 3, 3, dtype="int8"),
    Conv2dWorkload(1, 8, 14, 14, 16, 3, 3, groups=8),  # depthwise, two filters a channel
    Conv2dWorkload(1, 1, 1, 1, 1, 1, 1),
    Conv2dWorkload(1, 1, 1, 1, 1, 3, 3, padding=(2, 2, 2, 2)),  # padding beyond the input
    Conv2dWorkload(1, 4096, 300, 300, 4096, 11, 11, stride=(7, 5), dilation=(9, 8)),
)
"""What `supports` must answer for without an error; nobody has to serve it."""
