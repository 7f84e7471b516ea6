"""Which sources of the installed TVM make up the runtime of the RPC server.

The list, and the replacement headers in server/compat, are tied to TVM 0.27.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import UserError

TVM_SERIES = "0.27"
# Later ones crash when TVM writes its IR.
_FFI_SERIES = "0.1.14"

# Each group is compiled as one file. The sources share so many templates that this halves the
# compiler's work; more than one group lets it run in parallel and resume after an interruption.
_FFI_GROUPS = {
    "ffi_base": ["backtrace", "object", "error", "init_once", "custom_allocator", "dtype"],
    "ffi_values": ["function", "tensor", "container"],
    "ffi_modules": [
        "extra/json_parser",
        "extra/json_writer",
        "extra/module",
        "extra/library_module",
        "extra/library_module_system_lib",
        "extra/library_module_dynamic_lib",
        "extra/env_context",
        "extra/env_c_api",
    ],
}
_RUNTIME_GROUPS = {
    "runtime": [
        "cpu_device_api",
        "device_api",
        "file_utils",
        "logging",
        "module",
        "tensor",
        "timer",
        "const_loader_module",
    ],
    "memory_and_threads": [
        "workspace_pool",
        "thread_pool",
        "threading_backend",
        "memory/memory_manager",
    ],
    "rpc": [
        "rpc/rpc_channel",
        "rpc/rpc_endpoint",
        "rpc/rpc_event_impl",
        "rpc/rpc_local_session",
        "rpc/rpc_module",
        "rpc/rpc_server_env",
        "rpc/rpc_session",
        "rpc/rpc_device_api",
    ],
    "vm": ["vm/bytecode", "vm/executable", "vm/vm"],
    "vm_builtins": ["vm/builtin"],
}


@dataclass(frozen=True)
class RuntimeSources:
    """Where the sources are, and what they are.

    Attributes:
        groups: name -> source files, to be compiled together.
        include: folders for -I of everything that includes runtime headers.
        version: of TVM and of its ffi package.
    """

    groups: dict[str, list[Path]]
    include: list[Path]
    version: str


@functools.cache
def find() -> RuntimeSources:
    """Finds the sources without importing TVM, which takes a second.

    Raises:
        UserError: TVM is missing, of another series, or has no sources.
    """
    try:
        versions = [importlib.metadata.version(name) for name in ("apache-tvm", "apache-tvm-ffi")]
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(
            f"the Python package {error.name} is not installed", _INSTALL_FIX
        ) from error
    if not versions[0].startswith(f"{TVM_SERIES}."):
        raise UserError(
            f"the RPC server is built from the sources of TVM {TVM_SERIES}, "
            f"but {versions[0]} is installed",
            _INSTALL_FIX,
        )
    if not versions[1].startswith(f"{_FFI_SERIES}."):
        raise UserError(
            f"apache-tvm-ffi {versions[1]} does not work with TVM {versions[0]}",
            _FFI_FIX,
        )
    tvm, ffi = _package_folder("tvm"), _package_folder("tvm_ffi")
    runtime, core = tvm / "src" / "runtime", ffi / "src" / "ffi"
    groups = {
        name: [folder / f"{file}.cc" for file in files]
        for folder, table in ((core, _FFI_GROUPS), (runtime, _RUNTIME_GROUPS))
        for name, files in table.items()
    }
    for file in (path for group in groups.values() for path in group):
        if not file.exists():
            raise UserError(f"the installed TVM lacks its source file {file}", _INSTALL_FIX)
    dlpack = ffi / "3rdparty" / "dlpack"
    return RuntimeSources(
        groups,
        [runtime, core, core / "extra", tvm / "include", ffi / "include", dlpack / "include"],
        " ".join(versions),
    )


_INSTALL_FIX = f"pip install 'apache-tvm=={TVM_SERIES}.0.post1'"
_FFI_FIX = f"pip install 'apache-tvm-ffi=={_FFI_SERIES}.post1'"


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the Python package {name} cannot be found", _INSTALL_FIX)
    return Path(next(iter(spec.submodule_search_locations)))
