"""A TCP proxy that slows connections, or closes them in the middle."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

_CHUNK_BYTES = 4096


class Proxy:
    """Forwards connections to a server; use as a context manager.

    Args:
        server: host and port.
        bytes_per_s: of each direction; None: no limit.
        cut_bytes: after so many from the client, the connection is closed; None: never.
        at_cut: called before that.

    Attributes:
        port: where it listens, on this host.
    """

    def __init__(
        self,
        server: tuple[str, int],
        bytes_per_s: float | None = None,
        cut_bytes: int | None = None,
        at_cut: Callable[[], None] | None = None,
    ) -> None:
        self._server = server
        self._bytes_per_s = bytes_per_s
        self._cut_bytes = cut_bytes
        self._at_cut = at_cut
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _shut(self._listener)
        self._listener.close()
        self._hang_up()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                for end in (client, server):
                    # Small messages go at once, as they do without a proxy.
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [client, server]
                for pair, cut in (((client, server), self._cut_bytes), ((server, client), None)):
                    threading.Thread(target=self._forward, args=(*pair, cut), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, cut_bytes: int | None) -> None:
        total = 0
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                total += len(data)
                if cut_bytes is not None and total >= cut_bytes:
                    if self._at_cut is not None:
                        self._at_cut()
                    break
                if self._bytes_per_s is not None:
                    time.sleep(len(data) / self._bytes_per_s)
                sink.sendall(data)
        if cut_bytes is not None and total >= cut_bytes:
            self._hang_up()
        else:
            _shut(sink)

    def _hang_up(self) -> None:
        for end in self._open:
            _shut(end)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
