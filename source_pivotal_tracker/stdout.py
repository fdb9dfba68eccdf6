"""Writes the messages to stdout, and knows whether they are being read."""

from __future__ import annotations

import fcntl
import io
import os
import select
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

LONGEST_PIECE = select.PIPE_BUF


class Unwritable(OSError):
    """The rest of the messages cannot be written; the text says why."""


class Stdout(io.RawIOBase):
    """A file descriptor that is written to, and how far its reader is.

    It needs a buffer before it: only the buffer continues a write that a signal cuts short.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = 0
        self._ended = 0
        self._written = 0

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        """Raises Unwritable."""
        piece = memoryview(data)
        if threading.current_thread() is not threading.main_thread():
            # No signal cuts short what another thread writes, so a long piece would not show whether anybody reads.
            piece = piece[:LONGEST_PIECE]
        self._begun += 1
        try:
            written = self._write(piece)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise Unwritable("The reader of stdout has closed it: stopping.") from None
            raise Unwritable(f"Cannot write to stdout: {error.strerror}.") from None
        finally:
            self._ended += 1
        self._written += written
        return written

    def _write(self, piece: memoryview) -> int:
        while True:
            try:
                return os.write(self._descriptor, piece)
            except BlockingIOError:
                # Whoever created the pipe made it non-blocking.
                select.select((), (self._descriptor,), ())

    @property
    def is_waiting(self) -> bool:
        """Whether a write is under way."""
        return self._begun > self._ended

    def progress(self) -> tuple[int, ...]:
        """A value that changes whenever something is written, or read of what was written."""
        return (self._begun, self._written, *self._unread())

    def _unread(self) -> Iterator[int]:
        """The bytes that wait for the reader: FIONREAD asks a pipe, TIOCOUTQ a socket or terminal."""
        for question in (termios.FIONREAD, termios.TIOCOUTQ):
            try:
                yield struct.unpack("i", fcntl.ioctl(self._descriptor, question, b"\0" * 4))[0]
            except OSError:
                continue


def open_stdout() -> Stdout:
    """Write stdout by way of a Stdout from now on. Raises Unwritable where there is none."""
    given = sys.__stdout__
    if given is None:
        raise Unwritable("There is no stdout to write the messages to.")
    raw = Stdout(given.fileno())
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", line_buffering=raw.isatty())
    sys.__stdout__ = sys.stdout  # type: ignore[misc]
    return raw
