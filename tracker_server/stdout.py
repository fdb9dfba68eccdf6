"""Writes stdout for the command line, and ends it with a sentence where that cannot be written."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Unwritable(BaseException):
    """The rest of the output cannot be written; the text says why, and is empty if nobody reads on.

    It ends the program, as SystemExit does: as an Exception it would be taken for a fault of what is read or written.
    """


class _Stdout(io.FileIO):
    def write(self, data: Buffer, /) -> int:
        """Raises Unwritable."""
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            raise Unwritable from None
        except OSError as error:
            raise Unwritable(f"Cannot write to stdout: {error.strerror}.") from None


def with_stdout(run: Callable[[], int], *, is_server: bool) -> int:
    """What `run` returns; 1, after a sentence, if what it prints cannot be written. A server needs no stdout."""
    given = sys.__stdout__
    if given is None and not is_server:
        print("There is no stdout to write to.", file=sys.stderr)
        return 1
    # Without a stdout, its number would go to the next file that is opened.
    raw = _Stdout(given.fileno(), "w", closefd=False) if given else _Stdout(os.devnull, "w")
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=raw.isatty()
    )
    sys.__stdout__ = sys.stdout  # type: ignore[misc]
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()
    except Unwritable as error:
        # What is still in the buffer is written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), raw.fileno())
        if str(error):
            print(error, file=sys.stderr)
        return 1
