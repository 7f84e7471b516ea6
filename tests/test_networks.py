"""The built-in networks: the Relax module computes what the float64 description says."""

import platform

import host
import numpy as np
import pytest
import tvm
from tvm import relax
from tvm_ffi import structural_equal

import schedules
from tuner import networks, reference
from tuner.errors import UserError
from tuner.network_run import TOLERANCE, relative_error

# On a PC with its AVX2, which any of the last ten years has: whole networks take long without.
_CPU = {"mcpu": "x86-64-v3"} if platform.machine() == "x86_64" else {}
_HOST = tvm.target.Target({"kind": "llvm", **_CPU})


@pytest.mark.parametrize("name", networks.names())
def test_both_builds_agree_with_the_reference(name):
    """TVM's default build, and one with our schedules as if this machine were an ARM board."""
    network = networks.get(name)
    data = network.random_input()
    expected = network.reference(data)
    assert expected.ndim == 2 and expected.sum() == pytest.approx(1)  # one row of probabilities
    _require_close(relax.build(network.module, _HOST), data, expected)

    with host.as_arm():
        ours = schedules.pipeline(_HOST)
        _require_close(relax.build(network.module, _HOST, relax_pipeline=ours), data, expected)


def _require_close(executable, data, expected):
    machine = relax.VirtualMachine(executable, tvm.cpu())
    output = machine["main"](tvm.runtime.tensor(data)).numpy()
    assert relative_error(output, expected) <= TOLERANCE


@pytest.mark.parametrize("name", networks.names())
def test_weights_follow_from_the_seed(name):
    same, again = (networks.get(name, seed=3).module for _ in range(2))
    assert structural_equal(same, again)
    assert not structural_equal(same, networks.get(name, seed=4).module)


@pytest.mark.parametrize(
    "alias,name",
    [
        ("squeezenet1.1", "squeezenet"),
        ("squeezenet1_0", "squeezenet1.0"),
        ("mobilenet1.0", "mobilenet"),
        ("resnet18_v1", "resnet18"),
    ],
)
def test_other_names_that_networks_are_known_by(alias, name):
    assert networks.get(alias).name == name


def test_unknown_network_names_the_closest():
    with pytest.raises(UserError, match="did you mean 'squeezenet'"):
        networks.get("sqeezenet")


def test_unknown_network_far_from_all_names_the_choice():
    with pytest.raises(UserError, match=r"choose one of: .*squeezenet"):
        networks.get("xyzzy")


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pool_agrees_with_tvm(size, padding, ceil_mode):
    """All values are negative: padding with zeros would show."""
    data = -np.random.default_rng(0).random((1, 2, size, size), dtype=np.float32)
    pooled = reference.max_pool2d(data, kernel=3, stride=2, padding=padding, ceil_mode=ceil_mode)
    assert np.array_equal(pooled, _max_pool_on_host(data, padding, ceil_mode))


def _max_pool_on_host(data, padding, ceil_mode):
    builder = relax.BlockBuilder()
    variable = relax.Var("data", relax.TensorType(data.shape, "float32"))
    with builder.function("main", [variable]):
        pooled = relax.op.nn.max_pool2d(
            variable, (3, 3), strides=(2, 2), padding=padding, ceil_mode=ceil_mode
        )
        builder.emit_func_output(builder.emit(pooled))
    executable = tvm.compile(builder.finalize(), _HOST)
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
