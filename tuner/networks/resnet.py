"""ResNet-18 (He et al. 2015, arXiv:1512.03385, table 1; layers as in torchvision's resnet18).

Batch normalization is folded into the convolutions: each has a bias.
"""

from __future__ import annotations

from tuner.networks.graph import Graph
from tuner.networks.registry import network

_STAGE_CHANNELS = (64, 128, 256, 512)


@network(
    "resnet18",
    title="ResNet-18, 224x224",
    input_shape=(1, 3, 224, 224),
    aliases=("resnet-18", "resnet18_v1"),
)
def resnet18(graph: Graph) -> None:
    """Add the layers of ResNet-18."""
    layer = graph.conv(graph.input_name, "conv1", 64, kernel=7, stride=2, padding=3)
    layer = graph.max_pool(layer, "pool1", kernel=3, stride=2, padding=1)
    for stage, channels in enumerate(_STAGE_CHANNELS, start=1):
        stride = 1 if stage == 1 else 2
        layer = _basic_block(graph, layer, f"layer{stage}_0", channels, stride)
        layer = _basic_block(graph, layer, f"layer{stage}_1", channels, stride=1)
    layer = graph.global_average_pool(layer, "pool")
    graph.softmax(graph.dense(layer, "fc", 1000), "prob")


def _basic_block(graph: Graph, source: str, name: str, channels: int, stride: int) -> str:
    """Two 3x3 convolutions around which the input is added; a 1x1 one fits it where it shrinks."""
    layer = graph.conv(source, f"{name}_conv1", channels, kernel=3, stride=stride, padding=1)
    layer = graph.conv(layer, f"{name}_conv2", channels, kernel=3, padding=1, relu=False)
    if stride != 1:
        source = graph.conv(source, f"{name}_down", channels, kernel=1, stride=stride, relu=False)
    return graph.add((layer, source), f"{name}_add")
