"""Writing a bundle: the compiled library, a program that runs it, a sample, and what it all is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from schedules.hardware import Board
from tuner import network_run
from tuner.errors import UserError
from tuner.export.choice import Choice
from tuner.networks import Network
from tuner.report.units import format_time
from tuner.tune import now, versions

_EXECUTABLE = 0o755
_PROGRAM = Path(__file__).with_name("runner.py")
_LIBRARY = "model.so"


def write(
    folder: Path, network: Network, board: Board, choice: Choice, runner: Path | None = None
) -> dict[str, Any]:
    """Build `network` for `board` with the configs of `choice` and write it into `folder`.

    Files of an earlier bundle there are replaced, all or none; other files are left alone.

    Args:
        runner: the program of `build.network_runner`, for boards without Python; None leaves it
            out.

    Returns:
        The bundle's manifest.

    Raises:
        UserError: a tool is missing, or `folder` cannot be written.
    """
    _require_folder(folder)
    data = network.random_input()
    expected = network.reference(data)
    with tempfile.TemporaryDirectory(prefix="tuner-") as scratch:
        built = Path(scratch)
        network_run.build_scheduled(network, board, choice.configs, built / _LIBRARY)
        manifest = _manifest(network, board, choice, built / _LIBRARY, expected.shape)
        (built / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
        np.save(built / "input.npy", data)
        np.save(built / "expected.npy", expected.astype(np.float32))
        readme = _readme(manifest, has_runner=runner is not None)
        (built / "README.md").write_text(readme, encoding="utf-8")
        shutil.copyfile(_PROGRAM, built / "run.py")
        if runner is not None:
            shutil.copyfile(runner, built / "run")
            (built / "run").chmod(_EXECUTABLE)
        _move(built, folder)
    return manifest


def _require_folder(folder: Path) -> None:
    """Make the folder before anything is built, which takes a while."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _move(built: Path, folder: Path) -> None:
    names = sorted(path.name for path in built.iterdir())
    unfinished = [folder / f"{name}.part" for name in names]
    try:
        for name, path in zip(names, unfinished, strict=True):
            shutil.copyfile(built / name, path)
            shutil.copymode(built / name, path)
        for name, path in zip(names, unfinished, strict=True):
            path.replace(folder / name)
    except OSError as error:
        for path in unfinished:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        raise _cannot_write(folder, error) from error


def _cannot_write(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write into {folder}: {error.strerror or error}",
        "free some space or allow writing, or choose another -o",
    )


def _manifest(
    network: Network, board: Board, choice: Choice, library: Path, output: tuple[int, ...]
) -> dict[str, Any]:
    return {
        "network": network.name,
        "title": network.title,
        "board": board.name,
        "board_title": board.title,
        "core": board.core.name,
        "isa": board.core.isa,
        "made": now(),
        "versions": versions(),
        "library": library.name,
        "sha256": hashlib.sha256(library.read_bytes()).hexdigest(),
        "input": {
            "name": network.input_name,
            "shape": list(network.input_shape),
            "dtype": "float32",
        },
        "output": {"shape": list(output), "dtype": "float32"},
        "tolerance": network_run.TOLERANCE,
        "configs": {
            "origin": choice.origin,
            "measured_s": choice.measured_s,
            "measured_on": choice.measured_on,
            "layers": {
                workload: {"schedule": schedule, "config": dict(config)}
                for workload, (schedule, config) in choice.configs.items()
            },
        },
    }


def _readme(manifest: dict[str, Any], has_runner: bool) -> str:
    configs, tvm = manifest["configs"], manifest["versions"]["tvm"]
    shapes = {name: "x".join(map(str, manifest[name]["shape"])) for name in ("input", "output")}
    measured = "It was not measured as a whole with these configs."
    if configs["measured_s"] is not None:
        time = format_time(configs["measured_s"])
        measured = f"One inference took {time} on {configs['measured_on']}."
    runner = _RUNNER_ROW if has_runner else ""
    on_board = _ON_BOARD if has_runner else ""
    return f"""# {manifest["title"]} for {manifest["board"]}

Compiled for {manifest["board_title"]} ({manifest["core"]}, {manifest["isa"]}) by
tvm-arm-schedules {manifest["versions"]["project"]} with TVM {tvm}.
Configs: {configs["origin"]}. {measured}

| file | what it is |
| --- | --- |
| `{manifest["library"]}` | the network, its weights inside |
{runner}| `run.py` | runs it; needs Python with numpy and apache-tvm {tvm} |
| `input.npy`, `expected.npy` | a sample input, and its output computed in float64 |
| `manifest.json` | shapes, versions, the config of each layer, the library's SHA-256 |

Input: `{manifest["input"]["name"]}`, float32, {shapes["input"]}.
Output: float32, {shapes["output"]}.
{on_board}
## Run it on a board, from this computer

The board needs a TVM RPC server and no Python. With tvm-arm-schedules installed here, this writes
one, a static file:

```sh
python -m tuner server-binary --target {manifest["board"]} -o tvm_rpc_server
```

Copy it to the board and start it there:

```sh
./tvm_rpc_server --host 0.0.0.0 --port 9090
```

RPC runs any code it is sent: trusted networks only. Then, here:

```sh
python run.py --host BOARD --port 9090 --check
```

It uploads the library, prints the time of an inference, and compares the output with
`expected.npy`. Without a board, `python -m tuner serve {manifest["board"]}` emulates one:
`python run.py --host 127.0.0.1 --port 9090 --check`.

Where the board has Python, numpy and TVM's runtime {tvm}, `python run.py --check` works there too.
"""


_RUNNER_ROW = "| `run` | runs it on the board: one static file that needs nothing else there |\n"
_ON_BOARD = """
## Run it on the board itself

Copy this folder to the board, and there:

```sh
./run --check
```

It prints the largest outputs and the time of an inference, and compares the output with
`expected.npy`. `./run --input picture.npy --labels labels.txt` runs your own data; `./run --help`
lists the rest.
"""
