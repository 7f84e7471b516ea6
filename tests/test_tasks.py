"""Network -> distinct convolutions."""

from tuner import networks, tasks
from tuner.networks.graph import Graph


def test_squeezenet_has_the_known_convolutions():
    """26 convolutions, 18 distinct, 349.2 MMAC in all: summed by hand, layer by layer."""
    found = tasks.extract(networks.get("squeezenet").module)
    assert len(found) == 18
    assert sum(task.count for task in found) == 26
    assert round(sum(task.macs for task in found) / 1e6, 1) == 349.2
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


def test_the_epilogue_tells_tasks_apart():
    graph = Graph("data", (1, 8, 10, 10), seed=0)
    first = graph.conv("data", "first", 8, kernel=1)
    last = graph.conv(first, "last", 8, kernel=1, relu=False)
    graph.softmax(graph.global_average_pool(last, "mean"), "prob")
    found = tasks.extract(graph.to_relax())
    assert [task.epilogue for task in found] == [("bias", "relu"), ("bias",)]
    assert found[0].workload == found[1].workload


def test_a_value_read_twice_ends_the_epilogue():
    graph = Graph("data", (1, 4, 6, 6), seed=0)
    first = graph.conv("data", "first", 4, kernel=1, relu=False)
    left = graph.conv(first, "left", 4, kernel=1)
    right = graph.conv(first, "right", 4, kernel=3, padding=1)
    joined = graph.concat((left, right), "joined")
    graph.softmax(graph.global_average_pool(joined, "mean"), "prob")
    assert [task.epilogue for task in tasks.extract(graph.to_relax())] == [
        ("bias",),
        ("bias", "relu"),
        ("bias", "relu"),
    ]
