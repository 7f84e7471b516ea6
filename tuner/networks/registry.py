"""Name -> network."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path

from tuner.errors import UserError
from tuner.networks import onnx_file, tflite_file
from tuner.networks.graph import Graph
from tuner.networks.network import Network
from tuner.networks.nnvm import from_nnvm
from tuner.networks.shapes import Shape

Describe = Callable[[Graph], None]

_DEFAULT_SEED = 0
_SUFFIXES = (".json", ".onnx", ".tflite")  # of files, be they there or not
_networks: dict[str, tuple[str, tuple[int, ...], Describe]] = {}
_aliases: dict[str, str] = {}


def network(
    name: str, title: str, input_shape: tuple[int, ...], aliases: Iterable[str] = ()
) -> Callable[[Describe], Describe]:
    """Register a function that adds a network's layers to an empty `Graph`."""

    def register(describe: Describe) -> Describe:
        _networks[name] = (title, input_shape, describe)
        _aliases.update(dict.fromkeys(aliases, name))
        return describe

    return register


def _load_built_in() -> None:
    """Import every module of this folder, so that each registers itself."""
    package = importlib.import_module("tuner.networks")
    for module in pkgutil.iter_modules(package.__path__, "tuner.networks."):
        importlib.import_module(module.name)


def names() -> list[str]:
    """Return the names of all networks, without aliases."""
    _load_built_in()
    return sorted(_networks)


def get(name: str, seed: int = _DEFAULT_SEED) -> Network:
    """Build the network called `name`, its weights drawn from `seed`.

    Raises:
        UserError: there is no such network.
    """
    known = names()
    canonical = _aliases.get(name, name)
    if canonical not in _networks:
        close = difflib.get_close_matches(name, [*known, *_aliases], n=1)
        fix = f"did you mean {close[0]!r}?" if close else f"choose one of: {', '.join(known)}"
        raise UserError(f"unknown network {name!r}", fix)
    title, input_shape, describe = _networks[canonical]
    graph = Graph("data", input_shape, seed)
    describe(graph)
    return Network(
        name=canonical,
        title=title,
        module=graph.to_relax(),
        input_name=graph.input_name,
        input_shape=input_shape,
        seed=seed,
        reference=graph.evaluate,
    )


def load(name: str, shape: Shape | None = None, params: Path | None = None) -> Network:
    """Return the built-in network called `name`, or the one in the file of this path.

    A file is ONNX, TFLite, or the JSON of an NNVM or MXNet graph.

    Args:
        shape: of the input, for a file that leaves it open; with its name or without.
        params: file of the parameters of a graph in JSON; other files have theirs inside.

    Raises:
        UserError: there is no such network or file, or the file cannot be used.
    """
    path = Path(name)
    if name not in {*names(), *_aliases} and (path.suffix in _SUFFIXES or path.exists()):
        if path.suffix == ".json":
            if params is None:
                raise UserError(
                    f"the parameters of {path} are missing", "name their file with --params"
                )
            return from_nnvm(path, params, shape)
        _require_no_params(name, params)
        read = tflite_file.read if path.suffix == ".tflite" else onnx_file.read
        return read(path, shape)
    if shape is not None:
        raise UserError(f"the shape of {name} is fixed", "leave --shape out")
    _require_no_params(name, params)
    return get(name)


def _require_no_params(name: str, params: Path | None) -> None:
    if params is not None:
        raise UserError(
            f"{name} has its parameters already", "--params goes with the JSON of an NNVM graph"
        )
