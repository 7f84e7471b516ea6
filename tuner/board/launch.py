"""Starts and stops embedded boards: the RPC server under QEMU with the emulator plugin."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schedules.hardware import Board
from tuner.board import build, rehearsal
from tuner.board import profile as board_profile
from tuner.board.emulator import params
from tuner.board.scratch import ScratchFolder
from tuner.errors import UserError

if TYPE_CHECKING:
    from tvm.rpc import RPCSession

# The CPU only bounds which instructions exist, and is what libc's memcpy is chosen by; time comes
# from the plugin. Fixed, so that the same binary always takes the same paths.
_QEMU = {
    "armv7": ("qemu-arm", "cortex-a15"),
    "aarch64": ("qemu-aarch64", "cortex-a72"),
}
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0
# Sessions do not disturb each other's model time; one forgotten by its client must not block all.
_SESSIONS = 8
LOOPBACK = "127."
_PROFILE = "profile.txt"
_POLL_SECONDS = 0.05
_PLUGIN_SAYS = "emulator: "
_TRIED_QEMU = "7.2 (what Debian 12 has)"


def find_qemu(isa: str) -> Path:
    """QEMU's user-mode emulator for `isa`, in TVM_ARM_QEMU_DIR or on the PATH.

    Raises:
        UserError: it is not installed.
    """
    name, _ = _QEMU[isa]
    folder = os.environ.get("TVM_ARM_QEMU_DIR")
    for candidate in (name, f"{name}-static"):
        if path := shutil.which(candidate, path=folder):
            return Path(path)
    where = f"in TVM_ARM_QEMU_DIR={folder}" if folder else "on the PATH"
    fix = "apt-get install qemu-user" + (", or unset TVM_ARM_QEMU_DIR" if folder else "")
    raise UserError(f"{name} is not {where}", fix)


@dataclass(frozen=True)
class Registration:
    """Where a board is offered to clients: a TVM RPC tracker, and the key of this kind of board."""

    host: str
    port: int
    key: str

    def options(self, board_host: str) -> list[str]:
        """Return the server's options for it.

        Args:
            board_host: address the board listens on.

        Raises:
            UserError: the tracker's name has no address, or its clients could not reach the board.
        """
        try:
            # The server is a static program, which cannot look up names.
            address = socket.gethostbyname(self.host)
        except OSError as error:
            raise UserError(
                f"the tracker's name {self.host} has no IPv4 address: {error.strerror}",
                "check --tracker",
            ) from error
        if board_host.startswith(LOOPBACK) and not address.startswith(LOOPBACK):
            raise UserError(
                f"clients of the tracker {self.host} cannot reach a board that listens on "
                f"{board_host}",
                "add --host 0.0.0.0 if you trust everyone on that network",
            )
        return ["--tracker", f"{address}:{self.port}", "--key", self.key]


class EmulatedBoard:
    """A running embedded board, on which any TVM RPC client can open sessions.

    Use it as a context manager. It ends with this process, however this process ends.

    Attributes:
        board: what is emulated.
        host, port: where the RPC server listens.
        folder: scratch space of the board; sessions have theirs inside.
        threads: cores that parallel loops use.
    """

    def __init__(
        self,
        board: Board,
        port: int = 0,
        threads: int | None = None,
        host: str = "127.0.0.1",
        progress: bool = True,
        registration: Registration | None = None,
        profile: bool = False,
        arithmetic: str = "host",
    ) -> None:
        """Builds what is missing and starts the board.

        Args:
            board: from `schedules.hardware.board`.
            port: to listen on; 0 picks a free one.
            threads: at most the board's cores, which is the default.
            host: numeric address to listen on. RPC runs any code a client sends.
            progress: show a bar while building.
            registration: offer the board at a tracker. Clients then have to come from there, one
                at a time.
            profile: keep what `read_profile` reads.
            arithmetic: who computes the vector arithmetic of kernels: "host", "qemu" (the same
                numbers and times, slower), or "none" (times only: numbers are wrong).

        Raises:
            UserError: a tool is missing, the build failed, the port is in use.
        """
        self.board = board
        self.host = host
        self.threads = min(threads or board.cores, board.cores)
        self.registration = registration
        self._profiled = profile
        self._arithmetic = arithmetic
        self._qemu = find_qemu(board.core.isa)
        server = build.server_binary(board.core.isa, progress)
        plugin = build.emulator_plugin(progress)
        self._rehearsed = rehearsal.library(board.core.isa)
        self._scratch = ScratchFolder()
        self.folder = self._scratch.path
        self._log_path = self.folder / "server.log"
        try:
            params.write(board, self.folder / "parameters.txt", self.threads)
            # A copy, because QEMU follows a link and tells the guest where it leads: the length of
            # the user's cache path would shift the guest's stack.
            shutil.copy2(server, self.folder / "tvm_rpc_server")
            (self.folder / "libemulator.so").symlink_to(plugin)
            self._process = self._start(port)
            self.port = self._wait_until_listening()
        except BaseException:
            self.stop()
            raise

    def _start(self, port: int) -> subprocess.Popen[str]:
        # Every path is relative, every number has a fixed length: their bytes lie on the guest's
        # stack and would shift what comes after.
        emulator = [str(self._qemu), "-cpu", _QEMU[self.board.core.isa][1], *self._timing_options()]
        server = [
            *("./tvm_rpc_server", "--host", self.host, "--port", f"{port:05d}", "--work-dir", "."),
            *("--exit-with", f"{os.getpid():010d}", "--rehearse"),
            # A tracker hands out one session of a board at a time.
            *(
                self.registration.options(self.host)
                if self.registration
                else ("--sessions", str(_SESSIONS))
            ),
        ]
        with self._log_path.open("wb") as log:
            return subprocess.Popen(
                emulator + server,
                cwd=self.folder,
                env={"TVM_NUM_THREADS": f"{self.threads:03d}"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is ours to handle: sessions end in order
            )

    def _timing_options(self) -> list[str]:
        # QEMU takes no comma in a plugin's path. Sessions run in folders of their own.
        profile = f",profile={self.folder / _PROFILE}" if self._profiled else ""
        # The default is not said: every byte of the command line shifts the guest's stack.
        computes = "" if self._arithmetic == "host" else f",arithmetic={self._arithmetic}"
        return ["-plugin", f"./libemulator.so,params=parameters.txt{computes}{profile}"]

    def _wait_until_listening(self) -> int:
        """Give the server its rehearsal; return the port on which it listens then."""
        deadline = time.monotonic() + _START_SECONDS
        port = self._announced_port("rehearsal on ", deadline)
        if port is not None:
            rehearsal.rehearse(port, self._rehearsed)
            port = self._announced_port("listening on ", deadline)
        if port is not None:
            return port
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        reason = _reason(self.log)
        raise UserError(
            f"the emulated board {self.board.name} did not start: {reason}", self._fix(reason)
        )

    def _announced_port(self, words: str, deadline: float) -> int | None:
        """Return the port in the server's next line; None if it does not begin with `words`."""
        assert self._process.stdout is not None
        patience = max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([self._process.stdout], [], [], patience)
        line = self._process.stdout.readline() if ready else ""
        return int(line.rsplit(":", 1)[1]) if line.startswith(words) else None

    def _fix(self, reason: str) -> str:
        if "plugin interface" in reason or "API version" in reason:
            return f"install QEMU {_TRIED_QEMU} and name its folder with TVM_ARM_QEMU_DIR"
        if "already in use" in reason:
            return "choose another --port (0 picks a free one)"
        if "numeric IPv4" in reason or "assign requested address" in reason:
            return "choose another --host: 127.0.0.1, 0.0.0.0 or an address of this machine"
        return f"run python -m tuner doctor --target {self.board.name}"

    @property
    def log(self) -> str:
        """The end of what the server and QEMU wrote to stderr, for messages."""
        with contextlib.suppress(OSError):
            return self._log_path.read_text(errors="replace")[-4000:]
        return ""

    @property
    def pid(self) -> int:
        """Process of the server; all processes of the board are in its session (setsid)."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """False after `stop`, or when QEMU died."""
        return self._process.poll() is None

    def connect(self, timeout_s: float = 0) -> RPCSession:
        """Opens a session.

        Args:
            timeout_s: the server ends the session after that many seconds of wall time;
                0 = its default, an hour.
        """
        from tvm import rpc  # importing TVM takes a second, which starting a board does not need

        if not self.running:
            raise UserError(
                f"the emulated board {self.board.name} has stopped: {_reason(self.log)}",
                "start it again",
            )
        return rpc.connect(self.host, self.port, session_timeout=timeout_s)

    def read_profile(self) -> board_profile.Profile:
        """Where the cycles of the timed runs of the last session went, once it is closed."""
        path, deadline = self.folder / _PROFILE, time.monotonic() + _STOP_SECONDS
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if not path.exists():
            raise UserError("the emulator wrote no profile", self._fix(""))
        return board_profile.read(path)

    def wait(self) -> int:
        """Waits until the server ends by itself; returns its exit status."""
        return self._process.wait()

    def reboot(self) -> None:
        """Kills the server and its sessions as a power cut would, and starts it again."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = self._start(self.port)
        self.port = self._wait_until_listening()

    def stop(self) -> None:
        """Ends the server and its sessions. May be called twice."""
        process = getattr(self, "_process", None)
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()  # its sessions follow: they watch their parent
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._scratch.remove()

    def __enter__(self) -> EmulatedBoard:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()


def _reason(log: str) -> str:
    """Return the line that says why; QEMU adds another to what our plugin says."""
    lines = log.strip().splitlines() or ["it gave no message"]
    return next((line for line in lines if line.startswith(_PLUGIN_SAYS)), lines[-1])
