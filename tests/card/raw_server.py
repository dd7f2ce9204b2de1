"""An HTTP server that says what a test tells it, whole or not."""

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


class Server:
    """Says the same to everyone, part by part, and keeps what was asked: heads and bodies."""

    def __init__(self, says: Sequence[bytes], between_s: float = 0, *, hangs: bool = False) -> None:
        self._says, self._between_s, self._hangs = says, between_s, hangs
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.asked: list[tuple[bytes, bytes]] = []
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/ocsp"

    def _serve(self) -> None:
        answering: list[threading.Thread] = []
        while not self._over.is_set():
            answering.append(threading.Thread(target=self._answer, args=self._socket.accept()[:1]))
            answering[-1].start()
        for thread in answering:
            thread.join()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as read, suppress(OSError):
            head = b"".join(iter(read.readline, b"\r\n"))
            if self._over.is_set():
                return
            size = re.search(rb"(?i)content-length: ([0-9]+)", head)
            self.asked.append((head, read.read(int(size[1]) if size else 0)))
            for part in self._says:
                connection.sendall(part)
                self._over.wait(self._between_s)
            if self._hangs:
                self._over.wait()

    def stop(self) -> None:
        self._over.set()
        with socket.create_connection(self._socket.getsockname()) as last:
            last.sendall(b"\r\n")
        self._thread.join()
        self._socket.close()


@contextmanager
def server(says: Sequence[bytes], between_s: float = 0, *, hangs: bool = False) -> Iterator[Server]:
    made = Server(says, between_s, hangs=hangs)
    try:
        yield made
    finally:
        made.stop()


def ok(body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
