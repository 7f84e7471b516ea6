"""Inputs of a fire module, the float64 answer, and how far off a float32 one may be."""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass

import numpy as np

from ..fire_workload import FireWorkload
from .problems import UNIT_ERROR, widened
from .reference import conv2d


@dataclass(frozen=True)
class FireProblem:
    """Inputs of a fire module, the float64 answer and how far off one may be.

    Attributes:
        data: (N, CI, H, W) float32.
        weights: OIHW float32, of squeeze, expanding 1x1 and expanding 3x3.
        biases: (1, CO, 1, 1) float32, of the same; empty where there are none.
        expected: (N, CO of both, OH, OW) float64, the 1x1's channels first.
        inherited: what the squeezed tensor's error may become in the result; like `expected`.
        own: rounding of the expanding convolutions, as plain sums of products; like `expected`.
        plain_channels: how many of the channels are the 1x1's.
    """

    data: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    expected: np.ndarray
    inherited: np.ndarray
    own: np.ndarray
    plain_channels: int

    def allowed(self, growth: float) -> np.ndarray:
        """How far off a module may be whose 3x3's own error is `growth` times a plain sum's."""
        one, three = np.split(self.own, [self.plain_channels], axis=1)
        return self.inherited + np.concatenate([one, widened(three, growth)], axis=1)


@functools.lru_cache(maxsize=16)
def fire_problem(workload: FireWorkload, epilogue: tuple[str, ...]) -> FireProblem:
    """The inputs that every candidate of `workload` is given, and their answer.

    Weights are drawn so that values stay near 1 behind both layers.
    """
    rng = np.random.default_rng(zlib.crc32(workload.key.encode()))
    squeeze = workload.squeeze
    data = rng.standard_normal((squeeze.n, squeeze.ci, squeeze.h, squeeze.w), dtype=np.float32)
    weights = tuple(
        rng.standard_normal(part.weight_shape, dtype=np.float32) / np.float32(part.k) ** 0.5
        for part in workload.parts
    )
    has_bias = "bias" in epilogue
    biases = tuple(
        rng.standard_normal((1, part.co, 1, 1), dtype=np.float32) for part in workload.parts
    )

    def layer(place: int, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Result and rounding error of a plain sum."""
        part, weight, bias = workload.parts[place], weights[place], biases[place]
        geometry = (part.stride, part.padding, part.dilation)
        value = conv2d(source, weight, *geometry)
        magnitude = conv2d(np.abs(source), np.abs(weight), *geometry)
        if has_bias:
            value, magnitude = value + bias, magnitude + np.abs(bias)
        if "relu" in epilogue:
            value = np.maximum(value, 0)
        return value, UNIT_ERROR * np.sqrt(part.k + 1) * magnitude

    squeezed, error = layer(0, data)
    values, own, inherited = [], [], []
    for place in (1, 2):
        value, rounding = layer(place, squeezed)
        part = workload.parts[place]
        geometry = (part.stride, part.padding, part.dilation)
        values.append(value)
        own.append(rounding)
        inherited.append(conv2d(error, np.abs(weights[place]), *geometry))
    expected, inherited_all, own_all = (
        np.concatenate(each, axis=1) for each in (values, inherited, own)
    )
    return FireProblem(
        *(data, weights, biases if has_bias else (), expected, inherited_all, own_all),
        plain_channels=workload.expand1x1.co,
    )
