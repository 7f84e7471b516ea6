"""What the tuner knows about a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tvm


@dataclass(frozen=True)
class Network:
    """A Relax module with constant weights, and the same network in float64.

    Attributes:
        name: the name it was asked for by.
        title: name, version and input size for people.
        module: Relax module; its `main` takes one tensor and returns one tensor.
        input_name, input_shape: the one input, float32.
        seed: what weights and biases were drawn from.
        reference: maps an input array to the output in float64 numpy.
    """

    name: str
    title: str
    module: tvm.IRModule
    input_name: str
    input_shape: tuple[int, ...]
    seed: int
    reference: Callable[[np.ndarray], np.ndarray]

    def random_input(self) -> np.ndarray:
        """Return the float32 input that every whole-network run is given (a function of `seed`)."""
        rng = np.random.default_rng([self.seed, 1])
        return rng.standard_normal(self.input_shape, dtype=np.float32)
