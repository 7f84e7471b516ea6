"""Operator name -> how a node of it is computed. The modules `*_names` register theirs here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tuner.networks.layers import Layer
from tuner.networks.nnvm.attributes import Attributes

NNVM, MXNET = "NNVM", "MXNet"


@dataclass(frozen=True)
class Operation:
    """What one node computes.

    Attributes:
        layer: it; has the `inputs` as arguments. Its one result is the node's first output.
        inputs: their names, in order; None for any number of at least one.
        ignored: names of further inputs, which only training needs and the node may lack.
        by_name: how many of `inputs`, from the end, a node may lack: they are the parameters
            called NODE_INPUT then, as in MXNet before 0.9.
    """

    layer: Layer
    inputs: tuple[str, ...] | None = ("data",)
    ignored: tuple[str, ...] = ()
    by_name: int = 0


Convert = Callable[[Attributes], Operation]

_converters: dict[str, Convert] = {}
_dialects: dict[str, tuple[str, ...]] = {}


def operator(*names: str, of: tuple[str, ...]) -> Callable[[Convert], Convert]:
    """Register a function that turns a node's attributes into an `Operation`.

    Args:
        names: of the operator, old ones too.
        of: the dialects that have it, NNVM or MXNET or both.
    """

    def register(convert: Convert) -> Convert:
        for name in names:
            assert name not in _converters, name
            _converters[name] = convert
            _dialects[name] = of
        return convert

    return register


def find(name: str) -> Convert | None:
    """Return what `operator` has registered under a name, None where there is nothing."""
    return _converters.get(name)


def names(dialect: str) -> list[str]:
    """Return the names of all operators of NNVM or MXNET."""
    return sorted(name for name, dialects in _dialects.items() if dialect in dialects)
