"""MobileNet v1, width 1.0 (Howard et al. 2017, arXiv:1704.04861, table 1).

Batch normalization is folded into the convolutions: each has a bias, and a ReLU behind it.
"""

from __future__ import annotations

from tuner.networks.graph import Graph
from tuner.networks.registry import network

# (stride of the depthwise convolution, channels of the pointwise one behind it), block by block.
_BLOCKS = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *[(1, 512)] * 5,
    (2, 1024),
    (1, 1024),
)


@network(
    "mobilenet",
    title="MobileNet v1 1.0, 224x224",
    input_shape=(1, 3, 224, 224),
    aliases=("mobilenet1.0", "mobilenet_v1", "mobilenetv1"),
)
def mobilenet(graph: Graph) -> None:
    """Add the layers of MobileNet v1."""
    layer = graph.conv(graph.input_name, "conv1", 32, kernel=3, stride=2, padding=1)
    for number, (stride, channels) in enumerate(_BLOCKS, start=2):
        layer = graph.depthwise(layer, f"conv{number}_dw", kernel=3, stride=stride, padding=1)
        layer = graph.conv(layer, f"conv{number}_pw", channels, kernel=1)
    layer = graph.global_average_pool(layer, "pool")
    graph.softmax(graph.dense(layer, "fc", 1000), "prob")
