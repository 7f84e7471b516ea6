"""Writes FlatBuffers: https://flatbuffers.dev/internals; tables with fields of at most four bytes.

A table is a dict from its fields' numbers, in the schema's order from 0, to their values.  Offsets
point forwards: whatever a table or vector refers to is written behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

Table = Mapping[int, "Value"]
Value = int | float | str | bytes | Table | Sequence[int] | Sequence[Table]

_OFFSET_BYTES = 4
_DATA_ALIGNMENT = 16  # of bytes; what TFLite asks for its buffers


def write(root: Table, identifier: bytes) -> bytes:
    """Return the file of the table `root`; `identifier` is the format's four letters."""
    writer = _Writer(identifier)
    writer.point(0, writer.table(root))
    return bytes(writer.data)


class _Writer:
    def __init__(self, identifier: bytes) -> None:
        self.data = bytearray(_OFFSET_BYTES) + identifier

    def point(self, at: int, target: int) -> None:
        """Make the offset at `at` that of `target`."""
        struct.pack_into("<I", self.data, at, target - at)

    def table(self, fields: Table) -> int:
        """Append a table, its list of fields in front; return where it begins.

        Every field takes four bytes: of one that is read as a single byte, the lowest.
        """
        places = [0] * (max(fields, default=-1) + 1)  # 0: the field has its default
        for i, number in enumerate(fields):
            places[number] = _OFFSET_BYTES * (i + 1)
        size = _OFFSET_BYTES * (len(fields) + 1)
        directory = struct.pack(f"<{len(places) + 2}H", 4 + 2 * len(places), size, *places)
        self._align(_OFFSET_BYTES, len(directory))
        self.data += directory
        at = len(self.data)
        self.data += struct.pack("<i", len(directory)) + bytes(size - _OFFSET_BYTES)
        for number, value in fields.items():
            self._fill(at + places[number], value)
        return at

    def _fill(self, at: int, value: Value) -> None:
        if isinstance(value, (int, float)):
            struct.pack_into("<i" if isinstance(value, int) else "<f", self.data, at, value)
        elif isinstance(value, Mapping):
            self.point(at, self.table(value))
        else:
            self.point(at, self._vector(value))

    def _vector(self, value: str | bytes | Sequence[int] | Sequence[Table]) -> int:
        """Append the number of elements, and these; return where the number is."""
        if isinstance(value, (str, bytes)):
            data = value.encode() if isinstance(value, str) else value
            self._align(_DATA_ALIGNMENT, _OFFSET_BYTES)
            at = self._count(len(data))
            self.data += data + b"\0"  # only strings end so, but it does no harm
            return at
        self._align(_OFFSET_BYTES)
        elements: list[int | Table] = [*value]
        at = self._count(len(elements))
        first = len(self.data)
        self.data += bytes(_OFFSET_BYTES * len(elements))
        for i, element in enumerate(elements):
            self._fill(first + _OFFSET_BYTES * i, element)
        return at

    def _count(self, elements: int) -> int:
        self.data += struct.pack("<I", elements)
        return len(self.data) - _OFFSET_BYTES

    def _align(self, alignment: int, ahead: int = 0) -> None:
        """Append zeros until what comes `ahead` bytes later is aligned."""
        self.data += bytes(-(len(self.data) + ahead) % alignment)
