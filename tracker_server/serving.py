"""Runs a server for the command line, until a signal stops it."""

from __future__ import annotations

import ctypes
import gc
import signal
import sys
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from tracker_server.app import TrackerServer

M_ARENA_MAX = -8
"""The option of glibc's mallopt for how many heaps there are."""


def _stop(*_: object) -> NoReturn:
    sys.exit(0)


def _give_up(number: int, _: object) -> NoReturn:
    with suppress(OSError):  # with a terminal that was closed, stderr is gone too
        print("Stopped before the end.", file=sys.stderr)
    sys.exit(128 + number)


def exit_on_signals(*, is_server: bool = True) -> None:
    """From now on, SIGINT, SIGTERM and SIGHUP end this process: a server with exit code 0, other work as a shell says.

    What ran under nohup ignores SIGHUP on.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and (name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN):
            signal.signal(number, _stop if is_server else _give_up)


def serve(
    server: TrackerServer, address: str, token: str | None, more: Sequence[str] = (), *, opens: bool = False
) -> int:
    """Print the base URL, the token, a command to try and `more` lines, then serve until the process ends.

    Without `token`, it is the password, which is not printed. `opens`: the first page is opened in this machine's
    browser, if it has one.

    Returns 1, after a sentence, if the `address` or the log cannot be opened.
    """
    # glibc would have a heap for each thread, and every one of them would grow to the size of several large answers.
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
    # The world stays. Walking all of it again in each collection would hold up a request by a third of a second.
    gc.freeze()
    try:
        with server:
            lines = [server.url, token or "The token is the password in the file."]
            if token:
                lines.append(f"Try: curl -H 'X-TrackerToken: {token}' '{server.url}/me'")
            lines += [*more, f"To look at it, open {server.pages_url} in a browser."]
            print(*lines, sep="\n", flush=True)
            if opens:
                webbrowser.open(server.pages_url)
            threading.Event().wait()
    except OSError as error:
        place = error.filename or address
        reason = str(error.strerror).partition(" (")[0]
        print(f"Cannot use {place}: {reason}.", file=sys.stderr)
    return 1
