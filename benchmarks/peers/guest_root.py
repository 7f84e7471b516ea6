"""A small Debian of the board's architecture with Python and a library, in the cache folder.

Nothing of the host's own package system is touched: apt gets its own state, packages are unpacked
and never installed.  The library's wheel comes from PyPI by pip.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import filelock

from benchmarks.peers import cpu_identity
from schedules.hardware import Board
from tuner.board import build
from tuner.errors import UserError

_ARCHITECTURES = {"aarch64": "arm64", "armv7": "armhf"}
_WHEEL_PLATFORMS = {
    "aarch64": (
        *("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64"),
        "manylinux2014_aarch64",
    ),
    "armv7": ("manylinux_2_31_armv7l", "manylinux_2_34_armv7l", "manylinux_2_17_armv7l"),
}
_PACKAGES = (
    *("libc6", "libc-bin", "python3.11-minimal", "libpython3.11-minimal"),
    *("libpython3.11-stdlib", "libstdc++6", "libgcc-s1", "zlib1g", "libgomp1", "libffi8"),
    *("libexpat1", "libbz2-1.0", "liblzma5", "libatomic1", "python3-numpy", "libblas3"),
    *("liblapack3", "libgfortran5"),
)
_RELEASE = "bookworm"  # has Python 3.11, for which there are wheels of both architectures
_MIRROR = "http://deb.debian.org/debian"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_ZEROS_BYTES = 64 << 20  # more than any network's weights; takes no room on disk

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Wheel:
    """A library as PyPI has it, for Python 3.11.

    Attributes:
        isas: for which there is a wheel.
    """

    name: str
    version: str
    isas: tuple[str, ...]

    @property
    def site(self) -> str:
        """Where it lies below the root."""
        return f"opt/{self.name}"


NCNN = Wheel("ncnn", "1.0.20261020", ("aarch64", "armv7"))


def guest_root(board: Board, progress: Progress, wheel: Wheel = NCNN) -> Path:
    """The prefix for QEMU's `-L`, with the board's processor named in it; made if missing.

    Raises:
        UserError: apt, dpkg or pip is missing or fails.
    """
    folder = build.cache_folder() / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / f"{wheel.name}-{wheel.version}-{board.core.isa}"
    root = folder / f"{board.name}-{base.name}"
    with filelock.FileLock(folder / f"{base.name}.lock"):
        if not base.exists():
            _make_base(board.core.isa, wheel, base, progress)
        if not root.exists():
            unfinished = folder / f"{root.name}.part"
            if unfinished.exists():
                shutil.rmtree(unfinished)
            shutil.copytree(base, unfinished, symlinks=True, copy_function=os.link)
            unfinished.rename(root)
        cpu_identity.write(board, root)  # the board's table may have changed
    return root


def python_options(root: Path, isa: str, wheel: Wheel = NCNN) -> list[str]:
    """QEMU's options for the guest's environment, then its Python and Python's options."""
    triple = {"aarch64": "aarch64-linux-gnu", "armv7": "arm-linux-gnueabihf"}[isa]
    # Full paths: QEMU's `-L` redirects files, but 32-bit programs list the host's folders.
    libraries = [str(root / "usr/lib" / triple / part) for part in ("blas", "lapack", "")]
    environment = {
        "PYTHONHOME": str(root / "usr"),
        "PYTHONPATH": f"{root / wheel.site}:{root / 'usr/lib/python3/dist-packages'}",
        "PYTHONHASHSEED": "0",
        "LD_LIBRARY_PATH": ":".join(libraries),
        "OMP_NUM_THREADS": "1",
    }
    options = [word for name, value in environment.items() for word in ("-E", f"{name}={value}")]
    return [*options, "-0", "/usr/bin/python3.11", str(root / "usr/bin/python3.11"), "-S", "-B"]


def _make_base(isa: str, wheel: Wheel, base: Path, progress: Progress) -> None:
    unfinished = base.with_suffix(".part")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    work = unfinished / "download"
    work.mkdir()
    progress(f"Debian packages for {isa}")
    _unpack_debian(_ARCHITECTURES[isa], work, unfinished)
    progress(f"{wheel.name} {wheel.version} for {isa}")
    _unpack_wheel(isa, wheel, work, unfinished / wheel.site)
    shutil.rmtree(work)
    with (unfinished / "zeros").open("wb") as zeros:
        zeros.truncate(_ZEROS_BYTES)
    unfinished.rename(base)


def _unpack_debian(architecture: str, work: Path, root: Path) -> None:
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise UserError(f"{tool} is not on the PATH", "run this on Debian or Ubuntu")
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    (work / "sources.list").write_text(f"deb {signed}{_mirror()} {_RELEASE} main\n")
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State": work,
        "Dir::State::Lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Install-Recommends": 0,
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": 1,
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items())]
    _run([*apt, "update"], work, "apt-get update")
    _run([*apt, "download", *_PACKAGES], work / "debs", "apt-get download")
    for package in sorted((work / "debs").glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(root)], work, "dpkg -x")


def _mirror() -> str:
    """The mirror the host uses, if it is a Debian."""
    listed = Path("/etc/apt/sources.list.d/debian.sources")
    if listed.exists() and (found := re.search(r"^URIs:\s*(\S+)", listed.read_text(), re.M)):
        return found[1]
    return _MIRROR


def _unpack_wheel(isa: str, wheel: Wheel, work: Path, site: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise UserError("this Python has no pip", f"{sys.executable} -m ensurepip")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(work)]
    command += ["--only-binary=:all:", "--python-version", "3.11"]
    for platform in _WHEEL_PLATFORMS[isa]:
        command += ["--platform", platform]
    _run([*command, f"{wheel.name}=={wheel.version}"], work, f"pip download {wheel.name}")
    for path in work.glob("*.whl"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(site)


def _run(command: list[str], folder: Path, what: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    errors = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
    raise UserError(f"{what} failed: {errors[-1]}", "check the network connection and try again")
