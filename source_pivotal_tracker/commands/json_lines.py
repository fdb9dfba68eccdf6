"""The rows of streams as files with a JSON object on each line."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

import orjson

from source_pivotal_tracker.streams.rows import Row
from tracker_server.commands import CommandError
from tracker_server.file_names import ROWS_OF_EXPORTS
from tracker_server.files import is_new_or_ours, made_whole

if sys.platform != "win32":
    import fcntl

WRITTEN = ROWS_OF_EXPORTS
"""The list of the files that were written to a folder: all others are somebody else's."""
NAME_ANOTHER = "name a new folder, or one that this command has written to"
PART = ".part"
"""What the name of a file ends with until all of them are whole."""


class JsonLines:
    """Writes `{stream}.jsonl` files to a folder, for those of the `streams` that have rows; as a context manager.

    The files of an earlier run stay until `finish` puts the new ones in their place. Raises OSError, and CommandError
    where somebody else's file is in the way.
    """

    def __init__(self, folder: Path, streams: Iterable[str]) -> None:
        self._folder = folder
        self._streams = list(streams)
        self._listed: set[str] = set()
        self._files: dict[str, IO[bytes]] = {}
        self._counts: Counter[str] = Counter()
        self._open = ExitStack()
        self._lock = ExitStack()

    def __enter__(self) -> JsonLines:
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            opened.enter_context(self._locked())
            self._prepare()
            self._lock = opened.pop_all()
        return self

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other runs from the folder. Raises CommandError if one is at work there."""
        if sys.platform == "win32":
            yield
            return
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise CommandError(
                f"Another run is writing to {self._folder}; wait until it ends, or name another folder."
            ) from None
        finally:
            os.close(folder)

    def _prepare(self) -> None:
        if not is_new_or_ours(self._folder, WRITTEN):
            raise CommandError(f"{self._folder} holds other files; {NAME_ANOTHER}.")
        with suppress(FileNotFoundError):
            self._listed = set((self._folder / WRITTEN).read_text("utf-8", errors="replace").splitlines())
        names = {self._path(stream, ending).name for stream in self._streams for ending in ("", PART)}
        for name in sorted(names - self._listed):
            if os.path.lexists(self._folder / name):
                raise CommandError(f"{self._folder / name} was not written by this command; {NAME_ANOTHER}.")
        self._list(self._listed | names)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._clean_up()

    def _clean_up(self) -> None:
        self._open.close()
        for stream in self._streams:
            self._path(stream, PART).unlink(missing_ok=True)
        if self._listed:
            self._list(self._listed)
        else:
            (self._folder / WRITTEN).unlink()
            with suppress(OSError):
                self._folder.rmdir()

    def write(self, stream: str, rows: Sequence[Row]) -> None:
        file = self._files.get(stream)
        if file is None:
            file = self._files[stream] = self._open.enter_context(self._path(stream, PART).open("wb"))
        file.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
        self._counts[stream] += len(rows)

    def finish(self) -> Mapping[str, int]:
        """Put the files where they belong; returns how many lines each has."""
        self._open.close()
        for stream in self._streams:
            if stream in self._files:
                self._path(stream, PART).replace(self._path(stream))
            else:
                self._path(stream).unlink(missing_ok=True)
        self._listed = {self._path(stream).name for stream in self._files}
        return self._counts

    def _list(self, names: Iterable[str]) -> None:
        """Say which files in the folder are ours, from before they are there on."""
        with made_whole(self._folder / WRITTEN) as part:
            part.write_text("\n".join(sorted(names)), "utf-8")

    def _path(self, stream: str, ending: str = "") -> Path:
        return self._folder / f"{stream}.jsonl{ending}"
