"""SqueezeNet 1.1 and 1.0 (Iandola et al. 2016, arXiv:1602.07360; layers as in torchvision).

Dropout is the identity at inference, so it is left out.
"""

from __future__ import annotations

from tuner.networks.graph import Graph
from tuner.networks.registry import network


@network(
    "squeezenet",
    title="SqueezeNet 1.1, 224x224",
    input_shape=(1, 3, 224, 224),
    aliases=("squeezenet1.1", "squeezenet1_1"),
)
def squeezenet(graph: Graph) -> None:
    """Add the layers of SqueezeNet 1.1."""
    layer = graph.conv(graph.input_name, "conv1", 64, kernel=3, stride=2)
    layer = _pool(graph, layer, "pool1")
    layer = _fire(graph, layer, "fire2", squeeze=16, expand=64)
    layer = _fire(graph, layer, "fire3", squeeze=16, expand=64)
    layer = _pool(graph, layer, "pool3")
    layer = _fire(graph, layer, "fire4", squeeze=32, expand=128)
    layer = _fire(graph, layer, "fire5", squeeze=32, expand=128)
    layer = _pool(graph, layer, "pool5")
    layer = _fire(graph, layer, "fire6", squeeze=48, expand=192)
    layer = _fire(graph, layer, "fire7", squeeze=48, expand=192)
    layer = _fire(graph, layer, "fire8", squeeze=64, expand=256)
    layer = _fire(graph, layer, "fire9", squeeze=64, expand=256)
    _classifier(graph, layer)


@network(
    "squeezenet1.0",
    title="SqueezeNet 1.0, 224x224",
    input_shape=(1, 3, 224, 224),
    aliases=("squeezenet1_0",),
)
def squeezenet_1_0(graph: Graph) -> None:
    """Add the layers of SqueezeNet 1.0: a larger stem than 1.1's, and later pooling."""
    layer = graph.conv(graph.input_name, "conv1", 96, kernel=7, stride=2)
    layer = _pool(graph, layer, "pool1")
    layer = _fire(graph, layer, "fire2", squeeze=16, expand=64)
    layer = _fire(graph, layer, "fire3", squeeze=16, expand=64)
    layer = _fire(graph, layer, "fire4", squeeze=32, expand=128)
    layer = _pool(graph, layer, "pool4")
    layer = _fire(graph, layer, "fire5", squeeze=32, expand=128)
    layer = _fire(graph, layer, "fire6", squeeze=48, expand=192)
    layer = _fire(graph, layer, "fire7", squeeze=48, expand=192)
    layer = _fire(graph, layer, "fire8", squeeze=64, expand=256)
    layer = _pool(graph, layer, "pool8")
    layer = _fire(graph, layer, "fire9", squeeze=64, expand=256)
    _classifier(graph, layer)


def _fire(graph: Graph, source: str, name: str, squeeze: int, expand: int) -> str:
    """Squeeze to few channels, then expand by 1x1 and 3x3 convolutions side by side."""
    squeezed = graph.conv(source, f"{name}_squeeze", squeeze, kernel=1)
    left = graph.conv(squeezed, f"{name}_expand1x1", expand, kernel=1)
    right = graph.conv(squeezed, f"{name}_expand3x3", expand, kernel=3, padding=1)
    return graph.concat((left, right), f"{name}_concat")


def _pool(graph: Graph, source: str, name: str) -> str:
    return graph.max_pool(source, name, kernel=3, stride=2, ceil_mode=True)


def _classifier(graph: Graph, source: str) -> None:
    layer = graph.conv(source, "conv10", 1000, kernel=1)
    graph.softmax(graph.global_average_pool(layer, "pool10"), "prob")
