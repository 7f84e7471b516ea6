"""A convolution and the max pooling behind it become one function where that pays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from unittest import mock

import host
import numpy as np
import pytest
import tvm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tvm import relax

import schedules
from schedules.conv2d import pooled
from tuner import reference
from tuner.board import link
from tuner.measure import session

EPILOGUES = ("nothing", "bias and relu", "scale of either sign", "residual")


@dataclass(frozen=True)
class Network:
    """A convolution with random weights, an epilogue and a max pooling.

    Attributes:
        shape: of the input, NCHW.
        co, kernel, stride, padding: of the convolution.
        window, step, border, ceil: of the pooling.
        epilogue: between the two, of EPILOGUES.
        used_again: whether the convolution's result is a result too.
    """

    shape: tuple[int, int, int, int]
    co: int
    kernel: int = 3
    stride: int = 2
    padding: int = 0
    window: int = 3
    step: int = 2
    border: int = 0
    ceil: bool = False
    epilogue: str = "bias and relu"
    used_again: bool = False

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Data, weights, one number a channel, one number an element of the convolution."""
        rng = np.random.default_rng(5)
        weights = (self.co, self.shape[1], self.kernel, self.kernel)
        between = (self.shape[0], self.co, *map(self._extent, self.shape[2:]))
        shapes = self.shape, weights, (1, self.co, 1, 1), between
        data, weight, channel, element = (
            rng.standard_normal(shape, dtype=np.float32) for shape in shapes
        )
        return data, weight / np.float32(np.sqrt(weight[0].size)), channel, element

    def _extent(self, size: int) -> int:
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    def to_relax(self) -> tvm.IRModule:
        _, weight, channel, element = self.arrays()
        builder = relax.BlockBuilder()
        data = relax.Var("data", relax.TensorType(self.shape, "float32"))
        with builder.function("main", [data]):
            with builder.dataflow():
                value = builder.emit(
                    relax.op.nn.conv2d(
                        data, relax.const(weight), strides=self.stride, padding=self.padding
                    )
                )
                if self.epilogue == "bias and relu":
                    value = builder.emit(relax.op.add(value, relax.const(channel)))
                    value = builder.emit(relax.op.nn.relu(value))
                elif self.epilogue == "scale of either sign":
                    value = builder.emit(relax.op.multiply(value, relax.const(channel)))
                elif self.epilogue == "residual":
                    value = builder.emit(relax.op.add(value, relax.const(element)))
                result = builder.emit(
                    relax.op.nn.max_pool2d(
                        value, self.window, self.step, self.border, ceil_mode=self.ceil
                    )
                )
                if self.used_again:
                    result = relax.Tuple([result, value])
                output = builder.emit_output(result)
            builder.emit_func_output(output)
        return builder.get()

    def expected(self) -> np.ndarray:
        """The result in float64."""
        data, weight, channel, element = self.arrays()
        value = reference.conv2d(data, weight, (self.stride,) * 2, (self.padding,) * 4)
        if self.epilogue == "bias and relu":
            value = np.maximum(value + channel, 0)
        elif self.epilogue == "scale of either sign":
            value = value * channel
        elif self.epilogue == "residual":
            value = value + element
        return reference.max_pool2d(value, self.window, self.step, self.border, self.ceil)


SQUEEZENET = Network((1, 3, 57, 57), 20)
RESNET = Network((1, 3, 46, 50), 16, kernel=7, padding=3, border=1)
MERGED = {
    "squeezenet": SQUEEZENET,
    "resnet": RESNET,
    "ceil": Network((1, 3, 54, 54), 12, kernel=7, ceil=True),
    "no windows in common": Network((1, 4, 29, 31), 8, stride=1, padding=1, window=2),
    "windows a row apart": Network((1, 4, 19, 23), 8, stride=1, step=1),
    "fewer rows than cores": Network((1, 3, 16, 40), 8, window=3),
    "odd channels": replace(SQUEEZENET, shape=(1, 5, 39, 41), co=7),
    "two images": replace(SQUEEZENET, shape=(2, 3, 33, 35)),
    "windows beyond the end": Network((1, 3, 35, 35), 8, ceil=True, border=1),
    "a border of several windows": Network((1, 3, 42, 42), 8, stride=1, window=9, step=1, border=4),
    "a border of a band": Network((1, 3, 40, 42), 8, stride=1, window=5, step=1, border=2),
    **{f"with {name}": replace(RESNET, epilogue=name) for name in EPILOGUES},
}
LEFT_ALONE = {
    "used again": replace(SQUEEZENET, used_again=True),
    "windows that leave rows out": replace(SQUEEZENET, window=2, step=3),
    "weights that take part of L2": Network((1, 64, 27, 27), 192, kernel=5, stride=1, padding=2),
    "one pixel": Network(
        (2, 64, 1, 1), 10, kernel=1, stride=1, window=1, step=1, epilogue="nothing"
    ),
    "narrower than a tile": replace(SQUEEZENET, shape=(1, 3, 57, 9)),
}
LARGE_OUTPUT = pooled.LARGE_OUTPUT


@pytest.fixture(autouse=True)
def small_maps_count():
    """What is tested is small: as if the map between stayed in no cache."""
    with mock.patch.object(pooled, "LARGE_OUTPUT", 0):
        yield


def _functions(network: Network, target) -> list[str]:
    with target:
        lowered = schedules.pipeline(target)(network.to_relax())
    return [each.name_hint for each in lowered.get_global_vars()]


def _is_merged(network: Network, target=host.TARGET) -> bool:
    return "conv2d_max_pool2d" in _functions(network, target)


def _run_on_host(network: Network, target=host.TARGET) -> np.ndarray:
    built = relax.build(network.to_relax(), target, relax_pipeline=schedules.pipeline(target))
    machine = relax.VirtualMachine(built, tvm.cpu())
    return machine["main"](tvm.runtime.tensor(network.arrays()[0])).numpy()


def _agrees(found: np.ndarray, network: Network) -> None:
    expected = network.expected()
    if network.ceil:  # TVM leaves out windows that begin behind the input
        expected = expected[..., : found.shape[2], : found.shape[3]]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("most_bytes", [0, pooled._MOST_BYTES], ids=["a row a band", "bands"])
@pytest.mark.parametrize("name", MERGED)
def test_merged(host_is_arm, monkeypatch, name, most_bytes):
    monkeypatch.setattr(pooled, "_MOST_BYTES", most_bytes)
    assert _is_merged(MERGED[name])
    _agrees(_run_on_host(MERGED[name]), MERGED[name])


@pytest.mark.parametrize(("threads", "groups"), [(1, 1), (3, 3), (64, 14)])
def test_rows_are_shared_by_as_many_threads_as_the_target_says(host_is_arm, threads, groups):
    network = replace(SQUEEZENET, shape=(1, 3, 59, 59))  # 14 rows behind the pooling
    target = tvm.target.Target({"kind": "llvm", "num-cores": threads})
    with target:
        lowered = schedules.pipeline(target)(network.to_relax())
    assert f"T.parallel({groups})" in lowered["conv2d_max_pool2d"].script()
    _agrees(_run_on_host(network, target), network)


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_left_alone(host_is_arm, name):
    assert not _is_merged(LEFT_ALONE[name])


@pytest.mark.parametrize(("co", "pays"), [(4, False), (64, True)])
def test_maps_that_stay_in_a_cache_are_left_alone(monkeypatch, co, pays):
    monkeypatch.setattr(pooled, "LARGE_OUTPUT", LARGE_OUTPUT)
    assert pooled.pays(schedules.Conv2dWorkload(1, 3, 224, 224, co, 3, 3, stride=(2, 2))) == pays


def test_poolings_may_be_left_apart(host_is_arm):
    with host.TARGET:
        passes = schedules.pipeline(host.TARGET, pool_in_place=False)
        names = [each.name_hint for each in passes(SQUEEZENET.to_relax()).get_global_vars()]
    assert "max_pool2d" in names


@settings(max_examples=20, deadline=None)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(9, 40), st.integers(14, 40)),
    co=st.integers(1, 18),
    conv=st.tuples(st.sampled_from((1, 3, 5)), st.integers(1, 2), st.integers(0, 2)),
    pool=st.sampled_from(((2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 2), (5, 1), (7, 2))),
    ceil=st.booleans(),
    border=st.integers(0, 3),
    epilogue=st.sampled_from(EPILOGUES),
)
def test_any_shape(size, co, conv, pool, ceil, border, epilogue):
    border = min(border, pool[0] // 2)  # what Relax takes
    kernel, stride, padding = conv
    assume(pool[0] <= (size[1] + 2 * padding - kernel) // stride + 1 + 2 * border)
    network = Network((1, *size), co, *conv, *pool, border, ceil, epilogue)
    with host.as_arm(), mock.patch.object(pooled, "LARGE_OUTPUT", 0):
        _agrees(_run_on_host(network), network)


@pytest.mark.board
@pytest.mark.parametrize("name", ["squeezenet", "resnet", "odd channels"])
def test_on_a_board(board, name, tmp_path):
    network, target = MERGED[name], schedules.target(board.board.name)
    assert _is_merged(network, target)
    built = relax.build(network.to_relax(), target, relax_pipeline=schedules.pipeline(target))
    library = tmp_path / "network.so"
    built.export_library(str(library), fcompile=link.fcompile(board.board.core.isa))
    with session(board, 60) as remote:
        remote.upload(str(library))
        device = remote.cpu(0)
        machine = relax.VirtualMachine(remote.load_module("network.so"), device)
        data = tvm.runtime.tensor(network.arrays()[0], device=device)
        _agrees(machine["main"](data).numpy(), network)


def _other_calls() -> dict[str, tvm.IRModule]:
    """Modules whose calls are no poolings of ours, by what is special about them."""
    modules = {}

    def add(name: str, shape, body) -> None:
        builder = relax.BlockBuilder()
        variable = relax.Var("data", relax.TensorType(shape, "float32"))
        with builder.function("main", [variable]):
            with builder.dataflow():
                result = builder.emit_output(body(variable))
            builder.emit_func_output(result)
        modules[name] = builder.get()

    batch = tvm.tirx.Var("n", "int64")
    add("a tuple as result", (4, 8), lambda x: relax.op.topk(relax.op.nn.softmax(x), 2))
    add(
        "a symbolic batch",
        (batch, 8, 6, 6),
        lambda x: relax.op.nn.adaptive_avg_pool2d(relax.op.nn.relu(x), (1, 1)),
    )
    add("no arguments", (4, 8), lambda x: relax.op.zeros((4, 8), "float32"))
    return modules


@pytest.mark.parametrize("name", _other_calls())
def test_calls_that_are_no_poolings_build(host_is_arm, name):
    module = _other_calls()[name]
    relax.build(module, host.TARGET, relax_pipeline=schedules.pipeline(host.TARGET))
