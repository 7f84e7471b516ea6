"""A convolution with all its shape facts: what schedules are chosen for and records filed under."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_KEY = re.compile(
    r"conv2d/(?P<dtype>\w+)/n(?P<n>\d+)_(?P<ci>\d+)x(?P<h>\d+)x(?P<w>\d+)"
    r"/(?P<co>\d+)x(?P<kh>\d+)x(?P<kw>\d+)/s(?P<s>\d+x\d+)_p(?P<p>\d+x\d+x\d+x\d+)"
    r"_d(?P<d>\d+x\d+)_g(?P<groups>\d+)",
    re.ASCII,
)
_DTYPE_BITS = re.compile(r"[a-z]+(\d+)")


@dataclass(frozen=True)
class Conv2dWorkload:
    """A 2-D convolution of an NCHW input with OIHW weights.

    Layouts are not part of the key: NCHW and OIHW are the only ones that schedules are asked for,
    and a key without a layout will go on to mean them.

    Attributes:
        n, ci, h, w: input shape.
        co, kh, kw: output channels and kernel size; the weights are (co, ci / groups, kh, kw).
        stride: (vertical, horizontal).
        padding: (top, left, bottom, right), zeros.
        dilation: (vertical, horizontal).
        groups: channel groups; `groups == ci == co` is a depthwise convolution.
        dtype: of input, weights and output, e.g. "float32".

    Raises:
        ValueError: a size that no convolution has (an empty output, groups that do not divide).
    """

    n: int
    ci: int
    h: int
    w: int
    co: int
    kh: int
    kw: int
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        sizes = (self.n, self.ci, self.h, self.w, self.co, self.kh, self.kw, self.groups)
        if min(sizes + self.stride + self.dilation) < 1 or min(self.padding) < 0:
            raise ValueError(f"sizes, strides and dilations must be at least 1: {self}")
        if self.ci % self.groups or self.co % self.groups:
            raise ValueError(
                f"{self.groups} groups divide neither {self.ci} nor {self.co} channels"
            )
        if self.oh < 1 or self.ow < 1:
            raise ValueError(f"the kernel does not fit into the padded input: {self}")

    @property
    def oh(self) -> int:
        """Output height."""
        top, _, bottom, _ = self.padding
        return (self.h + top + bottom - self.dilation[0] * (self.kh - 1) - 1) // self.stride[0] + 1

    @property
    def ow(self) -> int:
        """Output width."""
        _, left, _, right = self.padding
        return (self.w + left + right - self.dilation[1] * (self.kw - 1) - 1) // self.stride[1] + 1

    @property
    def pixels(self) -> int:
        """Output pixels of one image: the N axis of the convolution seen as a matrix product."""
        return self.oh * self.ow

    @property
    def k(self) -> int:
        """Length of the sum behind one output value: the K axis of the matrix product."""
        return self.ci // self.groups * self.kh * self.kw

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.n * self.co * self.pixels * self.k

    @property
    def flops(self) -> int:
        """Floating-point operations; a multiply-accumulate counts as two."""
        return 2 * self.macs

    @property
    def bytes(self) -> int:
        """Bytes of input, weights and output together: what must cross the memory bus once."""
        match = _DTYPE_BITS.fullmatch(self.dtype)
        if match is None:
            raise ValueError(f"the size of a {self.dtype} is not known")
        elements = (
            self.n * self.ci * self.h * self.w
            + math.prod(self.weight_shape)
            + self.n * self.co * self.pixels
        )
        return elements * int(match[1]) // 8

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """OIHW."""
        return (self.co, self.ci // self.groups, self.kh, self.kw)

    @property
    def is_pointwise(self) -> bool:
        """A 1x1 convolution of stride 1 without padding: a plain matrix product."""
        return (self.kh, self.kw, *self.stride, *self.padding) == (1, 1, 1, 1, 0, 0, 0, 0)

    @property
    def is_depthwise(self) -> bool:
        return self.groups > 1 and self.groups == self.ci == self.co

    @property
    def key(self) -> str:
        """Stable text that names the workload in logs and records; see `from_key`."""

        def times(values: tuple[int, ...]) -> str:
            return "x".join(map(str, values))

        return (
            f"conv2d/{self.dtype}/n{self.n}_{times((self.ci, self.h, self.w))}"
            f"/{times((self.co, self.kh, self.kw))}/s{times(self.stride)}_p{times(self.padding)}"
            f"_d{times(self.dilation)}_g{self.groups}"
        )

    @classmethod
    def from_key(cls, key: str) -> Conv2dWorkload:
        """The workload that `key` names.

        Raises:
            ValueError: `key` is not a workload's key.
        """
        match = _KEY.fullmatch(key)
        if match is None:
            raise ValueError(f"not a workload key: {key!r}")

        def ints(name: str) -> tuple[int, ...]:
            return tuple(int(part) for part in match[name].split("x"))

        n, ci, h, w, co, kh, kw, groups = (
            int(match[name]) for name in ("n", "ci", "h", "w", "co", "kh", "kw", "groups")
        )
        stride, padding, dilation = ints("s"), ints("p"), ints("d")
        workload = cls(
            *(n, ci, h, w, co, kh, kw),
            stride=(stride[0], stride[1]),
            padding=(padding[0], padding[1], padding[2], padding[3]),
            dilation=(dilation[0], dilation[1]),
            groups=groups,
            dtype=match["dtype"],
        )
        if workload.key != key:  # 007: two keys would name one workload
            raise ValueError(f"not a workload key: {key!r}, but {workload.key!r} is")
        return workload

    def describe(self) -> str:
        """Short text for tables, e.g. `3x3/2 64->128 @55x55`."""
        stride = "" if self.stride == (1, 1) else f"/{self.stride[0]}"
        if self.stride[0] != self.stride[1]:
            stride = f"/{self.stride[0]}x{self.stride[1]}"
        groups = "" if self.groups == 1 else f" g{self.groups}"
        return f"{self.kh}x{self.kw}{stride} {self.ci}->{self.co}{groups} @{self.h}x{self.w}"
