"""The rows of streams as files with a JSON object on each line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import orjson

from source_pivotal_tracker.streams.rows import Row

PART = ".part"
"""What the name of a file ends with until all of them are whole."""


class JsonLines:
    """Writes `{stream}.jsonl` files to a folder, for those of the `streams` that have rows; as a context manager.

    The files of an earlier run stay until `finish` puts the new ones in their place. Raises OSError.
    """

    def __init__(self, folder: Path, streams: Iterable[str]) -> None:
        self._folder = folder
        self._streams = list(streams)
        self._files: dict[str, IO[bytes]] = {}
        self._counts: Counter[str] = Counter()
        self._open = ExitStack()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        for stream in self._streams:
            self._path(stream, PART).unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()  # which is empty if nothing could be read

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
        return self._counts

    def _path(self, stream: str, ending: str = "") -> Path:
        return self._folder / f"{stream}.jsonl{ending}"


def is_ours(folder: Path, streams: Iterable[str]) -> bool:
    """Whether a folder has nothing but what is written here."""
    names = {f"{stream}.jsonl{ending}" for stream in streams for ending in ("", PART)}
    return all(path.name in names or path.name.startswith(".") for path in folder.iterdir())
