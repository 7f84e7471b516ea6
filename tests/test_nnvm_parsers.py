"""The parsers of graphs and parameters: all formats are read, and no file breaks them."""

from __future__ import annotations

import copy
import json
import struct
import tracemalloc

import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from nnvm_writer import MxNet, Nnvm, mxnet_params, tvm_params

from tuner import networks
from tuner.errors import UserError
from tuner.networks import layers
from tuner.networks.nnvm import params
from tuner.networks.nnvm.errors import Unusable

_SHAPE = (1, 3, 8, 8)
_ARRAYS = {
    "conv_weight": np.arange(12, dtype=np.float32).reshape(4, 3, 1, 1),
    "bn_moving_mean": np.ones(4, np.float32),
    "half": np.ones((2, 2), np.float16),
    "long": np.arange(3),
}
_FORMATS = {
    "tvm": tvm_params,
    **{f"mxnet{v}": lambda arrays, v=v: mxnet_params(arrays, v) for v in (0, 1, 2, 3)},
}


def _read(data: bytes) -> dict[str, np.ndarray]:
    return params.parse(data)


@pytest.mark.parametrize("format_name", _FORMATS)
def test_parameters_are_read_back(format_name):
    found = _read(_FORMATS[format_name](_ARRAYS))
    assert list(found) == list(_ARRAYS)
    for name, array in found.items():
        assert array.dtype == _ARRAYS[name].dtype
        np.testing.assert_array_equal(array, _ARRAYS[name])


def test_tvm_and_we_write_the_same_format():
    tensors = {name: tvm.runtime.tensor(array) for name, array in _ARRAYS.items()}
    written = bytes(tvm.runtime.save_param_dict(tensors))
    found = _read(written)
    assert all(np.array_equal(found[name], array) for name, array in _ARRAYS.items())
    in_tvm = tvm.runtime.load_param_dict(tvm_params(_ARRAYS))
    assert all(np.array_equal(in_tvm[name].numpy(), array) for name, array in _ARRAYS.items())


@pytest.mark.parametrize("format_name", _FORMATS)
def test_truncated_parameters_are_refused_at_every_byte(format_name):
    data = _FORMATS[format_name](_ARRAYS)
    for size in range(len(data)):
        with pytest.raises(UserError, match=r"truncated or corrupt|holds no parameters"):
            networks.from_nnvm('{"nodes": [], "heads": []}', data[:size])


@pytest.mark.parametrize("format_name", _FORMATS)
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_corrupt_parameters_are_refused_or_read(format_name, data):
    """Whatever is announced, no more memory is taken than the file has."""
    raw = bytearray(_FORMATS[format_name](_ARRAYS))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(8, len(raw) - 1))
        patch = data.draw(st.sampled_from([b"\xff", b"\x80", b"\0", b"\xff" * 8, b"\x7f" * 4]))
        raw[place : place + len(patch)] = patch
    _require_small(bytes(raw))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([0x112, 0xF7E58D4F05049CB7]))
def test_garbage_behind_the_magic_number(content, magic):
    _require_small(struct.pack("<Q", magic) + content)


def _require_small(data: bytes) -> None:
    tracemalloc.start()
    try:
        arrays = _read(data)
    except Unusable:
        arrays = {}
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 50_000 + 100 * len(data)
    assert sum(array.nbytes for array in arrays.values()) <= len(data)


def test_a_list_without_names():
    data = struct.pack("<QQQ", 0x112, 0, 1)
    data += struct.pack("<II3if", 1, 1, 1, 0, 0, 1.0) + struct.pack("<Q", 0)
    with pytest.raises(UserError, match="no names; save a dict of arrays"):
        networks.from_nnvm('{"nodes": [], "heads": []}', data)


def test_a_sparse_array():
    data = struct.pack("<QQQIi", 0x112, 0, 1, 0xF993FAC9, 1) + bytes(64)
    with pytest.raises(UserError, match=r"sparse; save it with tostype\('default'\)"):
        networks.from_nnvm('{"nodes": [], "heads": []}', data)


def _small_graph(writer_class: type[Nnvm] | type[MxNet]) -> Nnvm | MxNet:
    writer = writer_class()
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    conv = layers.Conv(weight, np.zeros((1, 4, 1, 1), np.float32), 1, 1, 1, True)
    result = writer.conv("conv", "data", conv, [conv.weight, conv.bias.reshape(-1)])
    arrays = ("gamma", "beta", "moving_mean", "moving_var")
    result = writer.batch_norm("bn", result, {name: np.ones(4, np.float32) for name in arrays})
    result = writer.max_pool("pool", writer.relu("relu", result), layers.MaxPool(2, 2, 0, False))
    result = writer.global_average_pool("mean", writer.concat("both", [result, result]))
    dense = [np.ones((5, 8), np.float32), np.ones(5, np.float32)]
    writer.softmax("prob", writer.dense("fc", result, dense))
    return writer


@pytest.mark.parametrize("writer_class", [Nnvm, MxNet])
def test_the_small_graph_itself_is_imported(writer_class):
    writer = _small_graph(writer_class)
    network = networks.from_nnvm(writer.json(), writer.parameters, _SHAPE)
    assert network.reference(network.random_input()).shape == (1, 5)


_STRANGE = st.sampled_from(
    [
        *(None, True, -1, 0, 3, 10**9, 10**30, 1.5, "", "x", "None", "(0, 0)", "(-1, 2)"),
        *("(1000000, 1000000)", "9" * 30, "nan", [], [[]], {}, [0, 0, 0], [7, 9], "\0\ud800"),
    ]
).map(copy.deepcopy)  # a list put into itself would stay so in all further examples


@pytest.mark.parametrize("writer_class", [Nnvm, MxNet])
@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_graph_with_anything_in_it_is_imported_or_refused(writer_class, data):
    """Values anywhere in the JSON are replaced, removed or moved."""
    writer = _small_graph(writer_class)
    content = json.loads(writer.json())
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(_places(content))
        attributes = [(held, key) for held in _attributes(content) for key in held]
        if attributes and data.draw(st.booleans()):  # which are few of all places
            places = attributes
        holder, key = data.draw(st.sampled_from(places))
        action = data.draw(st.sampled_from(["replace", "replace", "remove", "copy"]))
        if action == "remove":
            del holder[key]
        elif action == "replace":
            holder[key] = data.draw(_STRANGE)
        else:
            other, other_key = data.draw(st.sampled_from(places))
            holder[key] = json.loads(json.dumps(other[other_key]))
    _import_or_refuse(json.dumps(content), writer.parameters)


def _attributes(content) -> list[dict]:
    nodes = content.get("nodes")
    nodes = nodes if isinstance(nodes, list) else []
    held = [node.get("attrs") for node in nodes if isinstance(node, dict)]
    return [attributes for attributes in held if isinstance(attributes, dict)]


def _places(content):
    """Each place of a value in JSON: what it is in, and its key there."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_truncated_or_garbled_graph(data):
    writer = _small_graph(Nnvm)
    text = writer.json()
    cut, place = (data.draw(st.integers(0, len(text))) for _ in range(2))
    garbage = data.draw(st.text(max_size=5))
    _import_or_refuse(text[:place] + garbage + text[place:cut], writer.parameters)


def _import_or_refuse(text: str, parameters: dict[str, np.ndarray]) -> None:
    try:
        networks.from_nnvm(text, parameters, {"data": _SHAPE})
    except UserError as error:
        assert error.message and error.fix and "Traceback" not in str(error)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"nodes": [' + "[" * 100_000, "{}", "{"])
def test_json_that_is_no_graph(text, tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"no NNVM graph|not JSON"):
        networks.from_nnvm(path, {})
