"""MXNet's list of NDArrays, as `mx.nd.save` and `save_checkpoint` write it.

The format is that of src/ndarray/ndarray.cc; each version of it can be read.
"""

from __future__ import annotations

import numpy as np

from tuner.networks.nnvm.binary import Reader
from tuner.networks.nnvm.errors import Unusable

LIST = 0x112
"""The uint64 a list begins with."""

# The uint32 an array begins with; before 2017 it was the number of its dimensions.
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DENSE = 0  # storage type
_PREFIXES = ("arg:", "aux:")
_LEAST_BYTES = 4  # of an array
_TYPES: dict[int, np.dtype] = {
    0: np.dtype("<f4"),
    1: np.dtype("<f8"),
    2: np.dtype("<f2"),
    3: np.dtype("u1"),
    4: np.dtype("<i4"),
    5: np.dtype("i1"),
    6: np.dtype("<i8"),
    7: np.dtype("?"),
}


def read_list(reader: Reader) -> dict[str, np.ndarray]:
    """Return the arrays behind the magic number by name, without `arg:` and `aux:`.

    Raises:
        Unusable: the list is truncated or corrupt, has no names, or an array is sparse.
    """
    reader.number("Q")  # reserved
    arrays = [_array(reader) for _ in range(reader.count(_LEAST_BYTES))]
    names = reader.strings()
    if arrays and not names:
        raise Unusable("its arrays have no names", "save a dict of arrays, not a list")
    if len(arrays) != len(names):
        raise Unusable("there are not as many arrays as names")
    bare = [_without_prefix(name) for name in names]
    return {name: array for name, array in zip(bare, arrays, strict=True) if array is not None}


def _without_prefix(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _array(reader: Reader) -> np.ndarray | None:
    """Return the next array, None for one that was saved empty."""
    magic = reader.number("I")
    if magic in (_V2, _V3):
        if reader.number("i") != _DENSE:
            raise Unusable("an array is sparse", "save it with tostype('default')")
        shape = reader.shape(reader.number("i"), "q")
        # Up to version 2 an array without dimensions was none; from 3 on it is a scalar.
        nothing = magic == _V2 and not shape
    elif magic == _V1:
        shape = reader.shape(reader.number("I"), "q")
        nothing = not shape
    else:
        shape = reader.shape(magic, "I")
        nothing = not shape
    if nothing:
        return None
    reader.take(8)  # the device it was on
    flag = reader.number("i")
    if flag not in _TYPES:
        raise Unusable(f"an array has elements of an unknown type ({flag})")
    return reader.array(shape, _TYPES[flag])
