"""Runs the network in this folder, on this computer or on a board over TVM's RPC.

It needs Python with numpy and apache-tvm of the version that manifest.json names, nothing else.

    python run.py --host BOARD --port 9090 --check    # on a board, from here
    python run.py --check                             # on the board itself
    python run.py --host BOARD --port 9090 --input picture.npy --output scores.npy
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import tvm
from tvm import relax, rpc

FOLDER = Path(__file__).resolve().parent
MANIFEST = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
LIBRARY = FOLDER / MANIFEST["library"]
SESSION_S = 600


def main() -> int:
    arguments = parse_arguments()
    if tvm.__version__ != MANIFEST["versions"]["tvm"]:
        wanted = MANIFEST["versions"]["tvm"]
        print(f"warning: built with TVM {wanted}, this is {tvm.__version__}", file=sys.stderr)
    data = load_input(arguments.input)
    if arguments.host is None:
        module, device, label = tvm.runtime.load_module(str(LIBRARY)), tvm.cpu(0), "this computer"
    else:
        module, device, label = connect(arguments.host, arguments.port)
    output, times = run(module, device, data, arguments.repeat)
    print(f"{min(times) * 1e3:.3f} ms, the best of {len(times)} ({label})")
    if arguments.output is not None:
        np.save(arguments.output, output)
        print(f"{arguments.output}: output of shape {output.shape}")
    return check(output) if arguments.check else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", help="board with a TVM RPC server; without it, run here")
    parser.add_argument("--port", type=int, default=9090, help="its port (default: 9090)")
    parser.add_argument("--input", type=Path, help="array to run on (default: input.npy)")
    parser.add_argument("--output", type=Path, help="file for the output, .npy")
    parser.add_argument("--repeat", type=int, default=3, help="timed runs (default: 3)")
    parser.add_argument("--check", action="store_true", help="compare with expected.npy")
    arguments = parser.parse_args()
    if arguments.check and arguments.input is not None:
        parser.error("--check is for the input of this folder: leave --input out")
    if arguments.repeat < 1:
        parser.error("--repeat takes 1 or more")
    return arguments


def load_input(path: Path | None) -> np.ndarray:
    shape, dtype = tuple(MANIFEST["input"]["shape"]), MANIFEST["input"]["dtype"]
    data = np.load(path or FOLDER / "input.npy")
    if data.shape != shape:
        sys.exit(f"error: the input has the shape {data.shape}, the network takes {shape}")
    return data.astype(dtype)


def connect(host: str, port: int):
    """Load the library on the board; return it, the board's CPU and what to call its times."""
    try:
        remote = rpc.connect(host, port, session_timeout=SESSION_S)
    except Exception as error:
        sys.exit(f"error: no TVM RPC server answers at {host}:{port}: {error}")
    remote.upload(str(LIBRARY))
    label = f"{host}:{port}"
    try:
        facts = json.loads(str(remote.get_function("tuner.board.describe")()))
        if facts.get("emulated"):
            label = f"{facts['board']}, emulated, timing model v{facts['model']}"
    except AttributeError:  # a stock server does not say what it runs on
        pass
    return remote.load_module(LIBRARY.name), remote.cpu(0), label


def run(module, device, data: np.ndarray, repeat: int) -> tuple[np.ndarray, list[float]]:
    """Return the network's output, and the seconds of each timed inference."""
    vm = relax.VirtualMachine(module, device)
    vm.set_input("main", tvm.runtime.tensor(data, device=device))
    timer = vm.time_evaluator("invoke_stateful", device, number=1, repeat=repeat)
    times = [float(seconds) for seconds in timer("main").results]
    return vm.get_outputs("main").numpy(), times


def check(output: np.ndarray) -> int:
    """Compare with the output that was computed in float64 when this folder was made."""
    expected = np.load(FOLDER / "expected.npy")
    error = float(np.max(np.abs(output - expected)) / np.max(np.abs(expected)))
    is_right = error <= MANIFEST["tolerance"]
    print(
        f"{'right' if is_right else 'WRONG'}: off by {error:.1e} of the largest value at most, "
        f"{MANIFEST['tolerance']:.0e} allowed"
    )
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
