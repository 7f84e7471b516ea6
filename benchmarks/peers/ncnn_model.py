"""Writes a network in ncnn's own format: a .param file of layers and a .bin file of weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.plain_graph import Node

_MAGIC = "7767517"
_FLOAT32 = bytes(4)  # the tag in front of plain float32 weights


def write(nodes: Sequence[Node], size: int, param: Path, weights: Path) -> None:
    """Write the network that reads "data" of 3 x `size` x `size`; the last node is its output."""
    param.write_text(_param_text(nodes, size), encoding="ascii")
    with weights.open("wb") as file:
        for node in nodes:
            if node.kind in ("conv", "dense"):
                weight, bias = node.weights()
                file.write(_FLOAT32 + weight.tobytes() + bias.tobytes())


def _param_text(nodes: Sequence[Node], size: int) -> str:
    readers = Counter(name for node in nodes for name in node.inputs)
    read: Counter[str] = Counter()
    lines, blobs = [f"Input data 0 1 data 0={size} 1={size} 2=3"], 1

    def source(name: str) -> str:
        read[name] += 1
        return name if readers[name] == 1 else f"{name}_{read[name] - 1}"

    for node in nodes:
        inputs = [source(name) for name in node.inputs]
        output = node.name
        if node.kind == "add" and node.relu:
            output += "_sum"
        kind, arguments = _layer(node)
        line = f"{kind} {output} {len(inputs)} 1 {' '.join(inputs)} {output} {arguments}"
        lines.append(line.rstrip())
        blobs += 1
        if output != node.name:
            lines.append(f"ReLU {node.name} 1 1 {output} {node.name}")
            blobs += 1
        # ncnn wants a layer of its own where one blob has several readers.
        if (count := readers[node.name]) > 1:
            copies = " ".join(f"{node.name}_{i}" for i in range(count))
            lines.append(f"Split split_{node.name} 1 {count} {node.name} {copies}")
            blobs += count
    return "\n".join((_MAGIC, f"{len(lines)} {blobs}", *lines)) + "\n"


def _layer(node: Node) -> tuple[str, str]:
    """ncnn's layer type and its numbered parameters."""
    if node.kind == "conv":
        weight, _ = node.weights()
        text = f"0={node.channels} 1={node.kernel} 3={node.stride} 4={node.padding} 5=1"
        text += f" 6={weight.size}" + (f" 7={node.groups}" if node.groups > 1 else "")
        kind = "Convolution" if node.groups == 1 else "ConvolutionDepthWise"
        return kind, text + (" 9=1" if node.relu else "")
    if node.kind == "dense":
        weight, _ = node.weights()
        return "InnerProduct", f"0={node.channels} 1=1 2={weight.size}"
    if node.kind == "max_pool":
        rounding = 0 if node.ceil_mode else 1
        return "Pooling", f"0=0 1={node.kernel} 2={node.stride} 3={node.padding} 5={rounding}"
    return {
        "average_pool": ("Pooling", "0=1 4=1"),
        "concat": ("Concat", "0=0"),
        "add": ("BinaryOp", "0=0"),
        "softmax": ("Softmax", "0=0 1=1"),
    }[node.kind]
