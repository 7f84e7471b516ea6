"""The built-in networks: the Relax module computes what the float64 description says."""

import numpy as np
import pytest
import tvm
from tvm import relax

from tuner import networks, reference
from tuner.errors import UserError

# Names the CPU that runs the tests: AVX2 is what any host of the last ten years has.
_HOST = {"kind": "llvm", "mcpu": "x86-64-v3"}


@pytest.mark.parametrize("name", networks.names())
def test_module_agrees_with_reference(name):
    network = networks.get(name)
    data = network.random_input()
    machine = relax.VirtualMachine(tvm.compile(network.module, tvm.target.Target(_HOST)), tvm.cpu())
    output = machine["main"](tvm.runtime.tensor(data)).numpy()
    expected = network.reference(data)
    assert output.shape == expected.shape
    assert np.max(np.abs(output - expected)) <= 1e-4 * np.max(np.abs(expected))


@pytest.mark.parametrize("name", networks.names())
def test_weights_follow_from_the_seed(name):
    data = networks.get(name).random_input()
    same = [networks.get(name, seed=3).reference(data) for _ in range(2)]
    other = networks.get(name, seed=4).reference(data)
    assert np.array_equal(*same)
    assert not np.array_equal(same[0], other)


def test_squeezenet_output_is_a_distribution():
    network = networks.get("squeezenet1.1")
    assert network.name == "squeezenet"
    output = network.reference(network.random_input())
    assert output.shape == (1, 1000)
    assert output.sum() == pytest.approx(1)


def test_unknown_network_names_the_closest():
    with pytest.raises(UserError, match="did you mean 'squeezenet'"):
        networks.get("sqeezenet")


def test_unknown_network_far_from_all_names_the_choice():
    with pytest.raises(UserError, match=r"choose one of: .*squeezenet"):
        networks.get("xyzzy")


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pool_agrees_with_tvm(size, ceil_mode):
    data = np.random.default_rng(0).standard_normal((1, 2, size, size)).astype("float32")
    pooled = reference.max_pool2d(data, kernel=3, stride=2, ceil_mode=ceil_mode)
    assert np.array_equal(pooled, _run_on_host(relax.op.nn.max_pool2d, data, ceil_mode))


def _run_on_host(operator, data, ceil_mode):
    builder = relax.BlockBuilder()
    variable = relax.Var("data", relax.TensorType(data.shape, "float32"))
    with builder.function("main", [variable]):
        pooled = operator(variable, (3, 3), strides=(2, 2), ceil_mode=ceil_mode)
        builder.emit_func_output(builder.emit(pooled))
    executable = tvm.compile(builder.finalize(), tvm.target.Target(_HOST))
    machine = relax.VirtualMachine(executable, tvm.cpu())
    return machine["main"](tvm.runtime.tensor(data)).numpy()


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride,padding,dilation", [(1, 1, 1), (2, 0, 1), (1, 2, 2), (2, 1, 2)])
def test_conv2d_agrees_with_the_definition(groups, stride, padding, dilation):
    rng = np.random.default_rng(1)
    data, weight = rng.standard_normal((1, 4, 7, 6)), rng.standard_normal((2, 4 // groups, 3, 3))
    out = reference.conv2d(
        data, weight, (stride, stride), (padding,) * 4, (dilation, dilation), groups
    )
    padded = np.pad(data, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    for (_, channel, row, column), value in np.ndenumerate(out):
        group = channel // (2 // groups)
        rows = row * stride + dilation * np.arange(3)
        columns = column * stride + dilation * np.arange(3)
        inputs = padded[0, group * (4 // groups) : (group + 1) * (4 // groups)]
        window = inputs[:, rows[:, None], columns[None, :]]
        assert value == pytest.approx(np.sum(window * weight[channel]))
