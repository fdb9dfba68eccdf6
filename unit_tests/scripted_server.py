"""A server on a real port that sends chosen bytes: for answers that no well-behaved server gives."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType


def answer(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    """An HTTP answer; `length` is what Content-Length claims, where it is to differ from the truth."""
    head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode() + body


RESET = b""
"""Closes the connection without a byte."""


class ScriptedServer:
    """Sends one answer after the other, a connection each, and the last one for ever; keeps the request lines.

    With `seconds_between_bytes` it sends them byte by byte, for as long as somebody takes them.
    """

    def __init__(self, answers: Iterable[bytes], *, seconds_between_bytes: float = 0.0) -> None:
        self._answers = list(answers)
        self._seconds_between_bytes = seconds_between_bytes
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.requests: list[str] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/services/v5"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"\r\n\r\n" not in request and (chunk := connection.recv(65536)):
                    request += chunk
                self.requests.append(request.decode())
                self._send(connection, self._answers[min(len(self.requests), len(self._answers)) - 1])

    def _send(self, connection: socket.socket, chosen: bytes) -> None:
        if not self._seconds_between_bytes:
            connection.sendall(chosen)
            return
        with suppress(OSError):
            for byte in chosen:
                connection.sendall(bytes([byte]))
                time.sleep(self._seconds_between_bytes)
