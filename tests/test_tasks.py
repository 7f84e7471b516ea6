"""Network -> distinct convolutions and, in squeezenet, fire modules (see test_fire_tasks)."""

import numpy as np
import pytest
from tvm import relax

from schedules import Conv2dWorkload, hardware
from tuner import networks, tasks
from tuner.networks.graph import Graph
from tuner.search import Space

# Network -> convolutions, distinct ones, MMAC: summed by hand, layer by layer. The dense layers of
# MobileNet (1024 x 1000) and ResNet (512 x 1000) are counted.
_KNOWN = {
    "squeezenet": (26, 18, 349.2),
    "squeezenet1.0": (26, 22, 818.9),
    "mobilenet": (27, 19, 568.7),
    "resnet18": (20, 11, 1814.1),
}


@pytest.mark.parametrize("name", _KNOWN)
def test_networks_have_the_known_convolutions(name):
    convolutions, distinct, mmacs = _KNOWN[name]
    module = networks.get(name).module
    everything = tasks.extract(module)
    found = [task for task in everything if isinstance(task.workload, Conv2dWorkload)]
    assert sum(task.count for task in found) == convolutions
    assert len(found) == len({task.workload for task in found}) == distinct
    macs = tasks.total_macs(everything) + _dense_macs(module)
    assert round(macs / 1e6, 1) == mmacs


def _dense_macs(module) -> int:
    """Multiply-accumulates of all products (1, K) x (K, N)."""
    found = []

    def visit(expr):
        if isinstance(expr, relax.Call) and expr.op.name == "relax.matmul":
            found.append(int(expr.args[1].ty.shape[0]) * int(expr.args[1].ty.shape[1]))

    relax.analysis.post_order_visit(module["main"], visit)
    return sum(found)


@pytest.mark.parametrize("core", hardware.cores())
@pytest.mark.parametrize("name", _KNOWN)
def test_every_convolution_has_a_hand_picked_candidate_on_every_core(name, core):
    for task in tasks.extract(networks.get(name).module):
        space = Space(task.workload, hardware.core(core))
        assert space.defaults(), task.workload.describe()
        assert all(candidate in space for candidate in space.starts())
        assert space.starts()[: len(space.defaults())] == space.defaults()


def test_a_search_begins_with_each_kind_of_winograd():
    space = Space(
        Conv2dWorkload(1, 64, 13, 13, 256, 3, 3, padding=(1, 1, 1, 1)), hardware.core("cortex-a72")
    )
    starts = [c.config["m"] for c in space.starts() if c.schedule == "conv2d_winograd"]
    # Tiles of 4x4 that are narrower at the edge stand for those that are not.
    assert sorted(starts, key=str) == [2, "2x4", "4e"]


def test_squeezenet_tasks_are_named_and_described():
    found = tasks.extract(networks.get("squeezenet").module)
    assert found[0].layers == ("conv1",)
    assert found[-1].layers == ("conv10",)
    assert found[-1].workload.describe() == "1x1 512->1000 @13x13"
    assert {task.epilogue for task in found} == {("bias", "relu")}


def test_equal_convolutions_are_one_task_in_order_of_appearance():
    graph = Graph("data", (1, 8, 10, 10), seed=0)
    first = graph.conv("data", "first", 8, kernel=3, padding=1)
    other = graph.conv(first, "other", 8, kernel=1)
    again = graph.conv(other, "again", 8, kernel=3, padding=1)
    graph.softmax(graph.global_average_pool(again, "mean"), "prob")
    found = tasks.extract(graph.to_relax())
    assert [task.layers for task in found] == [("first", "again"), ("other",)]
    assert found[0].macs == 2 * found[0].workload.macs
    assert found[0].workload.padding == (1, 1, 1, 1)


def test_mobilenet_has_a_depthwise_convolution_in_every_block():
    found = tasks.extract(networks.get("mobilenet").module)
    depthwise = [task for task in found if task.workload.is_depthwise]
    assert sum(task.count for task in depthwise) == 13
    assert depthwise[0].workload.describe() == "3x3 32->32 g32 @112x112"
    assert {task.epilogue for task in found} == {("bias", "relu")}


def test_a_residual_ends_the_epilogue():
    graph = Graph("data", (1, 4, 6, 6), seed=0)
    branch = graph.conv("data", "branch", 4, kernel=3, padding=1, relu=False)
    shortcut = graph.conv("data", "shortcut", 4, kernel=1, relu=False)
    graph.add((branch, shortcut), "sum")
    assert [task.epilogue for task in tasks.extract(graph.to_relax())] == [("bias",), ("bias",)]


def test_equal_convolutions_are_one_task_whatever_follows_them():
    """Configs are chosen by workload: the epilogue of most of the layers is measured."""
    graph = Graph("data", (1, 8, 10, 10), seed=0)
    first = graph.conv("data", "first", 8, kernel=1, relu=False)
    second = graph.conv(first, "second", 8, kernel=1)
    graph.conv(second, "third", 8, kernel=1)
    (task,) = tasks.extract(graph.to_relax())
    assert task.layers == ("first", "second", "third")
    assert task.epilogue == ("bias", "relu")


@pytest.mark.parametrize(
    "shape,epilogue",
    [
        ((1, 4, 1, 1), ("bias", "relu")),
        ((4, 1, 1), ("bias", "relu")),
        ((), ()),
        ((4, 6, 6), ()),
        ((1, 4, 6, 6), ()),
    ],
)
def test_only_one_constant_a_channel_is_a_bias(shape, epilogue):
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType((1, 3, 6, 6), "float32"))
    with builder.function("main", [data]):
        weight, constant = (relax.const(np.ones(s, np.float32)) for s in ((4, 3, 1, 1), shape))
        conv = builder.emit(relax.op.nn.conv2d(data, weight))
        added = builder.emit(relax.op.add(conv, constant))
        builder.emit_func_output(builder.emit(relax.op.nn.relu(added)))
    (task,) = tasks.extract(builder.finalize())
    assert task.epilogue == epilogue


def test_a_value_read_twice_ends_the_epilogue():
    graph = Graph("data", (1, 4, 6, 6), seed=0)
    first = graph.conv("data", "first", 4, kernel=1, relu=False)
    left = graph.conv(first, "left", 5, kernel=1)
    right = graph.conv(first, "right", 4, kernel=3, padding=1)
    joined = graph.concat((left, right), "joined")
    graph.softmax(graph.global_average_pool(joined, "mean"), "prob")
    assert [task.epilogue for task in tasks.extract(graph.to_relax())] == [
        ("bias",),
        ("bias", "relu"),
        ("bias", "relu"),
        ("bias",),  # of all three convolutions of the fire module
    ]
