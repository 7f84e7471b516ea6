"""A TCP proxy that slows connections, or closes them in the middle.

It is a process of its own: TVM's client holds Python's lock while it waits for an answer.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import TracebackType

_CHUNK_BYTES = 4096


class Proxy:
    """Forwards connections to a server; use as a context manager.

    Args:
        server: host and port.
        bytes_per_s: of each direction; 0: no limit.
        cut_bytes: after so many from the client, the connection is closed; 0: never.
        kill: a process that is killed before that; 0: none.

    Attributes:
        port: where it listens, on this host.
    """

    def __init__(
        self, server: tuple[str, int], bytes_per_s: int = 0, cut_bytes: int = 0, kill: int = 0
    ) -> None:
        numbers = (server[1], bytes_per_s, cut_bytes, kill)
        self._process = subprocess.Popen(
            [sys.executable, __file__, server[0], *map(str, numbers)],
            stdin=subprocess.PIPE,  # it ends with this process, however that ends
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for it
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


def _serve(host: str, port: int, bytes_per_s: int, cut_bytes: int, kill: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def forward(source: socket.socket, sink: socket.socket, is_client: bool) -> None:
        total = 0
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                total += len(data)
                if is_client and cut_bytes and total >= cut_bytes:
                    if kill:
                        os.kill(kill, signal.SIGKILL)
                    break
                if bytes_per_s:
                    time.sleep(len(data) / bytes_per_s)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    while True:
        client, _ = listener.accept()
        server = socket.create_connection((host, port))
        for end in (client, server):
            # Small messages go at once, as they do without a proxy.
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pair in ((client, server, True), (server, client, False)):
            threading.Thread(target=forward, args=pair, daemon=True).start()


if __name__ == "__main__":
    _name, _host, *_numbers = sys.argv
    threading.Thread(target=_serve, args=(_host, *map(int, _numbers)), daemon=True).start()
    sys.stdin.read()
