"""Networks of NNVM and of MXNet: a graph as JSON and a file of parameters.

NNVM was TVM's graph until 2018 and is still MXNet's; TVM itself no longer reads either. Operators
of both dialects are in the modules `*_names`; docs/import.md lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tuner.errors import UserError
from tuner.networks.network import Network
from tuner.networks.nnvm import graph_json, params
from tuner.networks.nnvm.errors import Unusable
from tuner.networks.nnvm.importer import Importer
from tuner.networks.shapes import Shape

_SEED = 0


def from_nnvm(
    graph: str | Path,
    parameters: bytes | str | Path | Mapping[str, Any],
    shapes: Shape | None = None,
    name: str | None = None,
) -> Network:
    """Import a graph of NNVM or MXNet; `.module` of the result is its Relax module.

    Batch normalization is folded into the convolutions before it, as in the built-in networks.

    Args:
        graph: its JSON, or the path of the file it is in.
        parameters: a file's path or its content, in the format of `save_param_dict` or of MXNet's
            `.params`; or float32 arrays by name (numpy's, or what has `numpy()` or `asnumpy()`).
        shapes: of the one input, as extents or as {name: extents}; None: as the graph says.
        name: what the network is called; the file's name by default.

    Raises:
        UserError: a file cannot be read or is corrupt, an operator is unknown, a parameter is
            missing or misfits; one line names the node.
    """
    in_file = isinstance(graph, Path) or not graph.lstrip().startswith("{")
    source = str(graph) if in_file else "the graph"
    arrays = _parameters(parameters)
    try:
        text = _read(Path(graph)).decode("utf-8") if in_file else str(graph)
        parsed = graph_json.parse(text)
    except UnicodeDecodeError:
        raise UserError(f"{source} is not text", "give the JSON of a graph") from None
    except Unusable as error:
        raise UserError(f"{source}: {error.message}", error.fix) from None
    imported = Importer(source, parsed, arrays, shapes)
    module = imported.module()
    extents = "x".join(map(str, imported.input_shape))
    title = Path(graph).name if in_file else name or "NNVM graph"
    return Network(
        name=name or (Path(graph).stem if in_file else "nnvm"),
        title=f"{title}, {extents}",
        module=module,
        input_name=module["main"].params[0].name,
        input_shape=imported.input_shape,
        seed=_SEED,
        reference=imported.reference,
    )


def _parameters(parameters: bytes | str | Path | Mapping[str, Any]) -> dict[str, np.ndarray]:
    if isinstance(parameters, Mapping):
        return {name: _array(value) for name, value in parameters.items()}
    in_file = not isinstance(parameters, bytes)
    data = parameters if isinstance(parameters, bytes) else _read(Path(parameters))
    try:
        return params.parse(data)
    except Unusable as error:
        source = f"the parameters {parameters!s}" if in_file else "the parameters"
        fix = error.fix or "the file is truncated or corrupt: copy or save it anew"
        raise UserError(f"{source}: {error.message}", fix) from None


def _array(value: Any) -> np.ndarray:
    for method in ("numpy", "asnumpy"):
        if hasattr(value, method):
            value = getattr(value, method)()
    return np.asarray(value)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}", "name another file") from error
