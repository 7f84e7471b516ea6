"""Reading little-endian binary data that may be truncated or corrupt."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from tuner.networks.nnvm.errors import Unusable

_MOST_DIMENSIONS = 32


class Reader:
    """Takes values from the front of `data`. Arrays are views of it: reading copies nothing.

    Every method raises `Unusable` rather than read beyond the end, so no count or shape in a
    corrupt header can ask for more memory than the file has.
    """

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._offset = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._offset

    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes."""
        if size > self.left:
            raise Unusable(
                f"byte {self._offset} announces {size} more bytes where {self.left} are left"
            )
        self._offset += size
        return self._data[self._offset - size : self._offset]

    def number(self, code: str) -> int:
        """Return the next number, of a type as in the module `struct`."""
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def count(self, least_bytes: int) -> int:
        """Return the uint64 that says how many items follow, of `least_bytes` or more each."""
        count = self.number("Q")
        if count * least_bytes > self.left:
            raise Unusable(f"{count} items are announced where {self.left} bytes are left")
        return count

    def strings(self) -> list[str]:
        """Return a list of texts: their number, then length and bytes of each."""
        texts = []
        for _ in range(self.count(least_bytes=8)):
            raw = self.take(self.number("Q"))
            try:
                texts.append(str(raw, "utf-8"))
            except UnicodeDecodeError:
                raise Unusable("a name is not UTF-8 text") from None
        return texts

    def shape(self, dimensions: int, code: str) -> tuple[int, ...]:
        """Return that many extents, each of a type as in `struct`."""
        if not 0 <= dimensions <= _MOST_DIMENSIONS:
            raise Unusable(f"an array of {dimensions} dimensions is announced")
        shape = tuple(self.number(code) for _ in range(dimensions))
        if any(extent < 0 for extent in shape):
            raise Unusable(f"an array of shape {shape} is announced")
        return shape

    def array(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """Return a read-only view of the next elements."""
        elements = 1
        for extent in shape:
            elements *= extent
        raw = self.take(elements * dtype.itemsize)
        return np.frombuffer(raw, dtype).reshape(shape)
