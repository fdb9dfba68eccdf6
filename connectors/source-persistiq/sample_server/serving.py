"""Serves an application over HTTP on the loopback, with a log of what was asked and a hook before each request."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from waitress import wasyncore
from waitress.server import create_server
from werkzeug import Request, Response

HOST = "127.0.0.1"
THREADS = 16
STOP_SECONDS = 5


@dataclass(frozen=True)
class LoggedRequest:
    """One request that was answered; `at` is when it came, in seconds since 1970, `bytes` the size of the body."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    status: int
    bytes: int


def as_json(body: Any, status: int = 200, **headers: str) -> Response:
    """An answer in JSON; the names of `headers` are written with `_` for `-`."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json.dumps(body), status, names, mimetype="application/json")


class SampleServer:
    """A server that runs while its block runs.

    `answer` is the application. `before` sees each request first: it may change what the application holds, and a
    response that it returns is sent in place of the application's. `port` 0 takes a free one. `request_log` names a
    file that gets a JSON line for each request. Inside the block `url` has the address, without a slash at its end;
    `log` has the requests that were answered, and stays readable after the block.
    """

    def __init__(
        self,
        answer: Callable[[Request], Response],
        *,
        before: Callable[[Request], Response | None] | None = None,
        port: int = 0,
        request_log: Path | None = None,
    ) -> None:
        self.url = ""
        self.log: list[LoggedRequest] = []
        self._answer = answer
        self._before = before
        self._port = port
        self._request_log = request_log
        self._file: TextIO | None = None
        self._lock = threading.Lock()
        self._running = ExitStack()

    def __enter__(self) -> SampleServer:
        with ExitStack() as starting:
            if self._request_log is not None:
                self._file = starting.enter_context(self._request_log.open("a", encoding="utf-8"))
            listener = socket.create_server((HOST, self._port), backlog=128)
            self.url = f"http://{HOST}:{listener.getsockname()[1]}"
            self._serve(listener, starting)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def _serve(self, listener: socket.socket, stopping: ExitStack) -> None:
        # waitress would warn of each moment with more requests than threads, and of requests cut off at the end.
        logging.getLogger("waitress").setLevel(logging.CRITICAL)
        channels: dict[int, Any] = {}
        server: Any = create_server(
            Request.application(self._answered),
            map=channels,
            sockets=[listener],
            threads=THREADS,
            outbuf_overflow=sys.maxsize,
            asyncore_use_poll=True,
        )
        loop = threading.Thread(target=server.run, name="sample_server", daemon=True)
        loop.start()

        def stop() -> None:
            # The workers first: one that ends a request later would write to descriptors that are closed by then.
            server.task_dispatcher.shutdown(timeout=STOP_SECONDS)
            try:
                server.trigger.pull_trigger(lambda: wasyncore.close_all(channels, ignore_all=True))
            except OSError:  # The loop has ended by itself, and closed its trigger.
                wasyncore.close_all(channels, ignore_all=True)
            loop.join(STOP_SECONDS)

        stopping.callback(stop)

    def _answered(self, request: Request) -> Response:
        at = time.time()
        response = (self._before(request) if self._before else None) or self._answer(request)
        body = b"" if response.is_streamed else response.get_data()
        logged = LoggedRequest(
            at, request.method, request.path, request.args.to_dict(), response.status_code, len(body)
        )
        with self._lock:
            self.log.append(logged)
            if self._file is not None:
                self._file.write(json.dumps(asdict(logged)) + "\n")
                self._file.flush()
        return response
