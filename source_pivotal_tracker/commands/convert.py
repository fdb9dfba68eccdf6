"""`tracker-server convert`: exports as an SQLite database, or as files with a JSON object on each line."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tracker_server.commands import CommandError, add_export_paths, add_project_ids, project_ids
from tracker_server.file_names import COPY_OF_FILES
from tracker_server.files import made_whole, part_of

if TYPE_CHECKING:
    from source_pivotal_tracker.commands.json_lines import JsonLines
    from source_pivotal_tracker.commands.reading import FullRead
    from source_pivotal_tracker.commands.sqlite_tables import SqliteTables

NOT_IN_EXPORTS = frozenset((
    "accounts", "account_memberships", "google_attachments", "integrations", "me", "my_activity", "notifications",
    "webhooks", "workspaces",
))  # fmt: skip
"""The streams of which no export has a row."""


OPTIONS = {"export_archive": "EXPORT", "export_project_ids": "--project", "attachments_to": "--files"}
"""What the command calls the keys of the configuration."""


class Writer(Protocol):
    """Takes rows, and has them all where they belong once it is finished."""

    def write(self, stream: str, rows: Sequence[dict[str, Any]]) -> None: ...

    def finish(self) -> Mapping[str, int]:
        """Returns how many rows there are, by the streams that have some."""
        ...


def add(commands: Any) -> None:
    """Add the command to those of `tracker-server`."""
    command: argparse.ArgumentParser = commands.add_parser(
        "convert", help="write exports as an SQLite database or as JSON lines",
        epilog="The exit code is 1 if a file of the exports cannot be read; all others are written.",
    )  # fmt: skip
    command.set_defaults(command=run)
    add_export_paths(command)
    command.add_argument("out", type=Path, metavar="OUT", help="a database, or a folder for the JSON lines")
    command.add_argument("--to", choices=WRITERS, required=True, help="what to write")
    command.add_argument("--files", metavar="FOLDER", help="copy the attached files to this folder or object store too")
    add_project_ids(command)


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. Raises CommandError."""
    # Imported here, because that takes a second.
    from source_pivotal_tracker.commands.reading import FullRead, NotRead, log_to_stderr
    from source_pivotal_tracker.wiring import client_of

    log_to_stderr()
    first, *more = map(str, options.exports)
    config = {
        "export_archive": first,
        "export_project_ids": project_ids(options),
        "attachments_to": options.files,
        "attachments_max_mb": 100_000,
    }
    lost = 0
    has_rows = False
    try:
        exports_of = partial(client_of, more_exports=more, without=_places_of_output(options))
        reading = FullRead(config, lambda name: name not in NOT_IN_EXPORTS, exports_of, OPTIONS)
        _require_place_of_copies(options.files)
        with WRITERS[options.to](options.out, reading) as out:
            for stream, page in reading.pages():
                out.write(stream, page)
                has_rows |= bool(page)
                lost += sum("file_url" in row and row["file_url"] is None for row in page)
            if not has_rows:
                raise CommandError(" ".join(reading.problems) or "There is nothing in the exports.")
            rows = out.finish()
    except NotRead as problem:
        raise CommandError(str(problem)) from None
    except OSError as error:
        raise CommandError(f"Cannot write {options.out}: {error.strerror}.") from None
    except sqlite3.Error as error:
        raise CommandError(f"Cannot write {options.out}: {error}.") from None
    problems = list(reading.problems)
    if lost and "file_attachments" not in reading.incomplete:
        problems.append(f"{lost:,} attached files could not be copied, as the log says.")
    for sentence in problems:
        print(sentence, file=sys.stderr)
    counted = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in rows.items())
    print(f"Wrote {options.out}: {counted}.")
    return 1 if problems else 0


def _places_of_output(options: argparse.Namespace) -> list[str]:
    """What this run writes: it may lie beside the exports, or below."""
    out = Path(os.path.realpath(options.out))
    return [str(out), str(part_of(out)), *([options.files] if _holds_copies_alone(options.files) else [])]


def _holds_copies_alone(folder: str | None) -> bool:
    """Whether nothing else lies in a folder to which attached files are copied: exports in it would go unseen."""
    from source_pivotal_tracker.attachments.file_store import FOLDERS, visible_in

    if not folder or not os.path.isdir(folder):
        return bool(folder)
    return visible_in(folder) <= {*FOLDERS, COPY_OF_FILES}


def _require_place_of_copies(place: str | None) -> None:
    """Raises CommandError for one that holds other files. One that cannot be written costs the files alone."""
    from source_pivotal_tracker.attachments.file_store import FileStore, NotOurs

    if not place or not (os.path.isdir(place) or "://" in place):
        return
    try:
        FileStore(place).require_ours()
    except NotOurs as error:
        raise CommandError(f"--files: {error}.") from None
    except OSError:
        return


@contextmanager
def _sqlite(path: Path, reading: FullRead) -> Iterator[SqliteTables]:
    from source_pivotal_tracker.commands.sqlite_tables import SqliteTables, is_ours

    path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() and is_ours(path)):
        raise CommandError(f"{path} was not written by this command; name a new file.")
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise CommandError(f"{path} is in use, as {log.name} beside it says: close it, or name a new file.")
    with made_whole(path) as part, SqliteTables(part, reading.streams) as tables:
        yield tables


def _json_lines(folder: Path, reading: FullRead) -> JsonLines:
    from source_pivotal_tracker.commands.json_lines import JsonLines

    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is no folder; name a new one, or one that this command has written to.")
    return JsonLines(folder, [stream.name for stream in reading.streams])


WRITERS: dict[str, Callable[[Path, FullRead], AbstractContextManager[Writer]]] = {
    "sqlite": _sqlite, "jsonl": _json_lines,
}  # fmt: skip
"""What an export becomes, by the value of `--to`."""
