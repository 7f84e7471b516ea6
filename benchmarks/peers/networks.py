"""ncnn's own benchmark networks in its .param format; the weights are zeros.

The layers are those of ncnn's benchmark/*.param.  Its SqueezeNet 1.1 reads 227x227 pixels.  That
its last 1x1 convolution is padded by one pixel follows from counts: only then are the executed
instructions those of ncnn's own benchmark program (163.6 to 163.8 million on a Cortex-A53).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

INPUT_SIZES = {"squeezenet1.1": 227, "mobilenet1.0": 224, "resnet18": 224}
_MAGIC = "7767517"


@dataclass(frozen=True)
class _Layer:
    kind: str
    name: str
    inputs: tuple[str, ...]
    arguments: str


class _Network:
    """A network being written down; a layer's output has the layer's name."""

    def __init__(self, channels: int = 3) -> None:
        self._layers: list[_Layer] = []
        self._channels = {"data": channels}

    def add(self, kind: str, inputs: Sequence[str], arguments: str, channels: int) -> str:
        name = f"{kind.lower()}{len(self._layers)}"
        self._layers.append(_Layer(kind, name, tuple(inputs), arguments))
        self._channels[name] = channels
        return name

    def channels(self, blob: str) -> int:
        return self._channels[blob]

    def conv(
        self, x: str, out: int, kernel: int, stride: int = 1, pad: int = 0, relu: bool = True
    ) -> str:
        weights = out * self.channels(x) * kernel * kernel
        return self.add("Convolution", [x], _conv(out, kernel, stride, pad, weights, relu), out)

    def depthwise(self, x: str, stride: int) -> str:
        channels = self.channels(x)
        text = _conv(channels, 3, stride, 1, channels * 9, relu=True)
        return self.add("ConvolutionDepthWise", [x], f"{text} 7={channels}", channels)

    def max_pool(self, x: str, pad: int = 0) -> str:
        return self.add("Pooling", [x], f"0=0 1=3 2=2 3={pad}", self.channels(x))

    def average_pool(self, x: str) -> str:
        return self.add("Pooling", [x], "0=1 4=1", self.channels(x))

    def classes(self, x: str) -> str:
        weights = self.channels(x) * 1000
        return self.add("InnerProduct", [x], f"0=1000 1=1 2={weights}", 1000)

    def text(self, size: int) -> str:
        """The .param file for input of `size` x `size` pixels; its output is "prob"."""
        readers: dict[str, int] = {}
        for layer in self._layers:
            for blob in layer.inputs:
                readers[blob] = readers.get(blob, 0) + 1
        lines, blobs, read = [f"Input data 0 1 data 0={size} 1={size} 2=3"], 1, dict[str, int]()
        for layer in self._layers:
            inputs = []
            for blob in layer.inputs:
                copy = read.get(blob, 0)
                read[blob] = copy + 1
                inputs.append(blob if readers[blob] == 1 else f"{blob}_{copy}")
            is_last = layer is self._layers[-1]
            output = "prob" if is_last else layer.name
            names = " ".join((*inputs, output))
            lines.append(
                f"{layer.kind} {layer.name} {len(inputs)} 1 {names} {layer.arguments}".rstrip()
            )
            blobs += 1
            # ncnn wants a layer of its own where one blob has several readers.
            if (count := readers.get(layer.name, 0)) > 1:
                copies = " ".join(f"{layer.name}_{i}" for i in range(count))
                lines.append(f"Split split_{layer.name} 1 {count} {layer.name} {copies}")
                blobs += count
        return "\n".join((_MAGIC, f"{len(lines)} {blobs}", *lines)) + "\n"


def _conv(out: int, kernel: int, stride: int, pad: int, weights: int, relu: bool) -> str:
    text = f"0={out} 1={kernel} 3={stride} 4={pad} 5=1 6={weights}"
    return f"{text} 9=1" if relu else text


def _squeezenet() -> _Network:
    net = _Network()

    def fire(x: str, squeeze: int, expand: int) -> str:
        squeezed = net.conv(x, squeeze, 1)
        parts = [net.conv(squeezed, expand, 1), net.conv(squeezed, expand, 3, pad=1)]
        return net.add("Concat", parts, "", 2 * expand)

    x = net.max_pool(net.conv("data", 64, 3, stride=2))
    x = net.max_pool(fire(fire(x, 16, 64), 16, 64))
    x = net.max_pool(fire(fire(x, 32, 128), 32, 128))
    x = fire(fire(x, 48, 192), 48, 192)
    x = fire(fire(x, 64, 256), 64, 256)
    x = net.average_pool(net.conv(x, 1000, 1, pad=1))
    net.add("Softmax", [x], "", 1000)
    return net


def _mobilenet() -> _Network:
    net = _Network()
    x = net.conv("data", 32, 3, stride=2, pad=1)
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    for out, stride in [*blocks, *[(512, 1)] * 5, (1024, 2), (1024, 1)]:
        x = net.conv(net.depthwise(x, stride), out, 1)
    net.add("Softmax", [net.classes(net.average_pool(x))], "", 1000)
    return net


def _resnet18() -> _Network:
    net = _Network()
    x = net.max_pool(net.conv("data", 64, 7, stride=2, pad=3))
    for out, stride in [
        (64, 1),
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
    ]:
        y = net.conv(net.conv(x, out, 3, stride, 1), out, 3, pad=1, relu=False)
        is_same = stride == 1 and net.channels(x) == out
        shortcut = x if is_same else net.conv(x, out, 1, stride, relu=False)
        x = net.add("ReLU", [net.add("Eltwise", [y, shortcut], "0=1", out)], "", out)
    net.add("Softmax", [net.classes(net.average_pool(x))], "", 1000)
    return net


_NETWORKS: dict[str, Callable[[], _Network]] = {
    "squeezenet1.1": _squeezenet,
    "mobilenet1.0": _mobilenet,
    "resnet18": _resnet18,
}


def param_text(network: str) -> str:
    """The .param file of one of INPUT_SIZES."""
    return _NETWORKS[network]().text(INPUT_SIZES[network])
