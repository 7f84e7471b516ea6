"""Parameters of a graph: files of NNVM and TVM (`save_param_dict`) and of MXNet (`.params`)."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

from tuner.networks.nnvm import mxnet_params
from tuner.networks.nnvm.binary import Reader
from tuner.networks.nnvm.errors import Unusable

_TVM_LIST = 0xF7E58D4F05049CB7
_TVM_ARRAY = 0xDD5E40F096B4A13F
_LEAST_TVM_ARRAY = 40  # bytes: an array of no dimensions and no elements
_CODES = {0: "i", 1: "u", 2: "f"}  # DLDataTypeCode


def parse(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays in `data` by name, as views of it; MXNet's without `arg:` and `aux:`.

    Raises:
        Unusable: it is in neither format, or truncated or corrupt.
    """
    readers: dict[int, Callable[[Reader], dict[str, np.ndarray]]] = {
        _TVM_LIST: _tvm_list,
        mxnet_params.LIST: mxnet_params.read_list,
    }
    magic = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else None
    if magic not in readers:
        raise Unusable(
            "it holds no parameters",
            "name the file that save_param_dict of NNVM or TVM, or MXNet, has written",
        )
    reader = Reader(data)
    reader.take(8)
    return readers[magic](reader)


def _tvm_list(reader: Reader) -> dict[str, np.ndarray]:
    reader.number("Q")  # reserved
    names = reader.strings()
    if reader.count(_LEAST_TVM_ARRAY) != len(names):
        raise Unusable("there are not as many arrays as names")
    return {name: _tvm_array(reader) for name in names}


def _tvm_array(reader: Reader) -> np.ndarray:
    if reader.number("Q") != _TVM_ARRAY:
        raise Unusable("an array does not begin where the one before it ends")
    reader.number("Q")  # reserved
    reader.take(8)  # the device it was on
    dimensions = reader.number("i")
    code, bits, lanes = (reader.number(kind) for kind in ("B", "B", "H"))
    shape = reader.shape(dimensions, "q")
    if lanes != 1 or code not in _CODES or bits not in (8, 16, 32, 64) or (code, bits) == (2, 8):
        raise Unusable(f"an array has elements of an unknown type ({code}, {bits} bits)")
    dtype = np.dtype(f"<{_CODES[code]}{bits // 8}")
    size = reader.number("Q")
    before = reader.left
    array = reader.array(shape, dtype)
    if before - reader.left != size:
        raise Unusable(f"an array of shape {shape} and type {dtype} is said to have {size} bytes")
    return array
