"""Serves a world over HTTP: a WSGI application with a request log, and a server that runs it in a thread."""

from __future__ import annotations

import hmac
import http.client
import json
import logging
import math
import random
import re
import socket
import sys
import threading
import time
from base64 import b64decode
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any
from unicodedata import normalize
from urllib.parse import parse_qsl

from waitress import wasyncore
from waitress.server import create_server
from werkzeug.wsgi import FileWrapper

from tracker_server import arguments
from tracker_server.api.call import Caps
from tracker_server.api.dialect import TRACKER, Dialect
from tracker_server.api.errors import ApiError, error_response
from tracker_server.api.protocol import PREFIX
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.downloads import SentFile
from tracker_server.http_message import Request, Response
from tracker_server.pages.application import Pages
from tracker_server.search.index import SearchIndex
from tracker_server.view import Views
from tracker_server.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

LOOPBACK, EVERY_ADDRESS = "127.0.0.1", "0.0.0.0"  # noqa: S104
THREADS = 16
MOST_CONNECTIONS = 10_000
"""waitress would let those beyond its hundred wait until others have been idle for two minutes."""
STOP_SECONDS = 5
MOST_OF_A_BODY = 1_000_000
"""Bytes. An aggregate of requests has a kilobyte; waitress would put a gigabyte on the disk."""
PRIVATE_NAMES = (".localhost", ".local", ".internal", ".test", ".lan", ".home.arpa", ".pivotaltracker.com")
"""Ends of names that nobody can buy; for the last, a machine itself may say that it leads here."""
LONGEST_TYPED = 1_000
"""Characters of a password that a person may have typed."""
OF_THE_API = (PREFIX, "/file_attachments/")
"""What is not below these is a page."""


@dataclass(frozen=True)
class LoggedRequest:
    """One request that was answered.

    `at` is when it came, in seconds since 1970; `path` is without the API's prefix; `bytes` is the size of the body.
    """

    at: float
    method: str
    path: str
    query: dict[str, str]
    status: int
    bytes: int


class RateLimit:
    """Admits `requests` per token in any `seconds`; rejected requests do not count."""

    def __init__(self, requests: int, seconds: float) -> None:
        self.requests = requests
        self.seconds = seconds
        self._admitted: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def wait(self, token: str, now: float) -> float:
        """Seconds until this token may come again; 0 if the request is admitted. `now` never runs backwards."""
        with self._lock:
            times = self._admitted[token]
            while times and times[0] <= now - self.seconds:
                times.popleft()
            if len(times) >= self.requests:
                return times[0] + self.seconds - now
            times.append(now)
            return 0.0


class Failures:
    """A proxy that fails now and then, with `chance` from 0 to 1, and says so in HTML."""

    def __init__(self, chance: float, seed: int) -> None:
        self._chance = chance
        self._random = random.Random(seed)  # noqa: S311

    def next_response(self) -> Response | None:
        """The failure with which the next request is answered, or None."""
        if self._random.random() >= self._chance:
            return None
        status = self._random.choice((502, 503, 504))
        line = f"{status} {http.client.responses[status]}"
        page = f"<html><head><title>{line}</title></head><body><center><h1>{line}</h1></center></body></html>"
        return Response(status, {"Content-Type": "text/html"}, page.encode())


class TrackerServer:
    """A Tracker v5 server for one world, and its pages; as a context manager it serves while the block runs.

    `port` 0 takes a free one. `latency` is in seconds, added to every request. `rate_limit` is (requests,
    seconds) for each token; beyond it the answer is 429 with `Retry-After`. `request_log` names a file that gets
    a JSON line for each request. `before` sees each request first: it may change the world, and a response that
    it returns replaces the server's own. `caps` are the largest pages, and override those of the `dialect`. With a
    `password`, requests without it get 401. `warm`: what the first page and the search need is made from the start,
    and not when they are asked for. `keeps_log`: without it, `log` stays empty, so that a server that runs for months
    needs no more memory for each request.

    Entering the block raises OSError if the address is not available. Inside it, `url` is the base URL of the API, and
    `pages_url` the first page, for this machine if it listens on every address; `log` has the answered requests and
    stays readable after the block.
    """

    def __init__(
        self,
        world: World,
        host: str = LOOPBACK,
        port: int = 0,
        *,
        latency: float = 0.0,
        rate_limit: tuple[int, float] | None = None,
        request_log: Path | None = None,
        before: Callable[[Request], Response | None] | None = None,
        caps: Caps | None = None,
        dialect: Dialect = TRACKER,
        password: str | None = None,
        warm: bool = False,
        keeps_log: bool = True,
    ) -> None:
        self.world = world
        self._password = None if password is None else _composed(password)
        self._is_warm = warm
        self._keeps_log = keeps_log
        self.log: list[LoggedRequest] = []
        self.url = self.pages_url = ""
        self._host = host
        self._port = port
        self._latency = latency
        self._rate_limit = RateLimit(*rate_limit) if rate_limit else None
        self._request_log = request_log
        self._before = before
        self._failures = Failures(dialect.failing, dialect.failing_seed)
        self._index = SearchIndex(Views(world))
        self._api = TrackerApi(world, caps, dialect, self._index)
        self._made_pages: Pages | None = None
        self._file: IO[bytes] | None = None
        self._has_warned = False
        self._log_lock = threading.Lock()
        self._running = ExitStack()

    def __enter__(self) -> TrackerServer:
        with ExitStack() as starting:
            if self._request_log is not None:
                self._file = starting.enter_context(self._request_log.open("ab", buffering=0))
            listener = socket.create_server((self._host, self._port), backlog=128)
            self._port = listener.getsockname()[1]
            host = LOOPBACK if self._host == EVERY_ADDRESS else self._host
            self.pages_url = f"http://{host}:{self._port}/"
            self.url = f"http://{host}:{self._port}{PREFIX}"
            self._serve(listener, starting)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.close()

    def _serve(self, listener: socket.socket, stopping: ExitStack) -> None:
        # waitress would warn of each moment with more requests than threads, and of requests cut off at the end.
        logging.getLogger("waitress").setLevel(logging.ERROR)
        channels: dict[int, Any] = {}
        server: Any = create_server(
            self.application,
            map=channels,
            sockets=[listener],
            threads=THREADS,
            outbuf_overflow=sys.maxsize,  # beyond that, waitress would write an answer to a temporary file
            connection_limit=MOST_CONNECTIONS,
            max_request_body_size=MOST_OF_A_BODY,
            log_socket_errors=False,  # a client that goes away is none, and a file that cannot be read is logged
            asyncore_use_poll=True,  # select() takes no descriptor above 1023.
        )
        if self._is_warm:
            self._start_warming(stopping)
        loop = threading.Thread(target=server.run, name="tracker_server", daemon=True)
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

    def _start_warming(self, stopping: ExitStack) -> None:
        stopped = threading.Event()
        warming = threading.Thread(
            target=self._pages.warm, args=(stopped.is_set,), name="tracker_server index", daemon=True
        )
        warming.start()
        stopping.callback(warming.join, STOP_SECONDS)
        stopping.callback(stopped.set)

    @property
    def _pages(self) -> Pages:
        """Made when they are asked for, because that takes longer than to start a server for programs alone."""
        if self._made_pages is None:
            with self.world.lock:
                self._made_pages = self._made_pages or Pages(self._index)
        return self._made_pages

    def application(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI application."""
        at = time.time()
        request = _request(environ)
        if self._latency:
            time.sleep(self._latency)
        response = self._response(request)
        self._log_request(at, request, response)
        headers = {"Content-Length": str(len(response.body)), **response.headers}
        start_response(f"{response.status} {http.client.responses.get(response.status, '')}", list(headers.items()))
        if request.method == "HEAD":
            if response.file is not None:
                response.file.close()
            return []
        if response.file is None:
            return [response.body]
        size = int(headers["Content-Length"])
        if size == 0:
            response.file.close()
            return []
        wrapper: Callable[[SentFile], Iterable[bytes]] = environ.get("wsgi.file_wrapper", FileWrapper)
        return wrapper(SentFile(response.file, size, request.path))

    def _response(self, request: Request) -> Response:
        try:
            if self._password is not None and not _is_admitted(request, self._password):
                return _refused()
            is_guarded = self._password is None and self._host in arguments.ONLY_THIS_MACHINE
            if is_guarded and not _is_of_this_machine(request):
                return _misdirected()
            if not request.path.startswith(OF_THE_API):
                return self._pages.handle(request)
            in_place = self._rate_limited(request) or self._replacement(request) or self._failures.next_response()
            return in_place or self._api.handle(request)
        except Exception:
            logger.exception("no answer to %s %s", request.method, request.path)
            return error_response(ApiError(500, "unhandled_condition", "The server failed; see its own log."))

    def _rate_limited(self, request: Request) -> Response | None:
        if self._rate_limit is None:
            return None
        wait = self._rate_limit.wait(request.header("X-TrackerToken"), time.monotonic())
        if wait == 0:
            return None
        refused = error_response(ApiError(429, "server_under_load", "Too many requests in too short a time."))
        refused.headers["Retry-After"] = str(math.ceil(wait))
        return refused

    def _replacement(self, request: Request) -> Response | None:
        return self._before(request) if self._before else None

    def _log_request(self, at: float, request: Request, response: Response) -> None:
        token = request.header("X-TrackerToken") or None
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        logged = LoggedRequest(
            at=at,
            method=request.method,
            path=request.path.removeprefix(PREFIX),
            query={name: value for name, value in query.items() if name != "token" and value != token},
            status=response.status,
            bytes=int(response.headers.get("Content-Length", len(response.body))),
        )
        with self._log_lock:
            if self._keeps_log:
                self.log.append(logged)
            if self._file is not None:
                self._write(self._file, f"{json.dumps(asdict(logged))}\n".encode())

    def _write(self, log: IO[bytes], line: bytes) -> None:
        """Write a line to the log; the first that cannot be written gets a warning, and no request waits for it."""
        problem = "no room is left"
        try:
            if log.write(line) == len(line):
                return
        except OSError as error:
            problem = error.strerror or str(error)
        if not self._has_warned:
            logger.warning(
                "Not all requests are in the log %s, which cannot be written: %s", self._request_log, problem
            )
        self._has_warned = True


def _request(environ: WSGIEnvironment) -> Request:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): _in_utf_8(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    body = environ["wsgi.input"].read() if environ["REQUEST_METHOD"] == "POST" else b""
    return Request(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), headers, body)


def _is_of_this_machine(request: Request) -> bool:
    """Whether the name by which a browser knows the server is none that a stranger can own.

    A page on the web could have its own name lead to this machine after it was loaded, and would then read from the
    server as if it came from it.
    """
    name = re.sub(r":[0-9]*$", "", request.header("Host")).rstrip(".").lower()
    is_number = name.startswith("[") or re.fullmatch("[0-9.]+", name)
    return bool("." not in name or is_number or name.endswith(PRIVATE_NAMES))


def _misdirected() -> Response:
    words = "This server is for this machine alone: ask it as localhost, or start it with --host or --password-file.\n"
    return Response(421, {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}, words.encode())


def _in_utf_8(header: str) -> str:
    """A header, which comes as what its bytes are in Latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def _composed(password: str) -> str:
    """A password with each accent on its letter, however it was typed.

    That takes a time of the square of the accents on one letter, and anybody may send any password.
    """
    return normalize("NFC", password) if len(password) <= LONGEST_TYPED else password


def _is_admitted(request: Request, password: str) -> bool:
    """Whether a request brings the password: by HTTP Basic under any name, or as the token of the API."""
    given = [request.header("X-TrackerToken")]
    scheme, _, encoded = request.header("Authorization").partition(" ")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            given.append(b64decode(encoded, validate=True).decode("utf-8", "replace").partition(":")[2])
    # Each is compared, so that the time that it takes tells nothing.
    matches = [hmac.compare_digest(_composed(text).encode(), password.encode()) for text in given]
    return any(matches)


def _refused() -> Response:
    headers = {
        "WWW-Authenticate": 'Basic realm="Tracker", charset="UTF-8"',
        "Content-Type": "text/plain; charset=utf-8",
        "Cache-Control": "no-store",
    }
    return Response(401, headers, b"A password is needed.\n")
