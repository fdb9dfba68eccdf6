"""The commands that read and write exports: `tracker-server serve`, `site`, `inspect` and `export`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import TypeAlias

from tracker_server import arguments
from tracker_server.app import TrackerServer
from tracker_server.exports.errors import ExportError, Finding
from tracker_server.exports.exports_world import MOST_IN_MEMORY, ExportReport, inspect, read_exports
from tracker_server.exports.ids import LARGEST_ID
from tracker_server.exports.project_reader import HistorySummary, Summary
from tracker_server.exports.sources import Source, require_exports, sources_at
from tracker_server.exports.writing import OF_SAMPLE, write_export
from tracker_server.files import written_whole
from tracker_server.pages.static_site import SiteError, StaticSite
from tracker_server.sample import SAMPLE_TOKEN, make_world, sample_files
from tracker_server.serving import exit_on_signals, serve

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

PROGRAM, DISTRIBUTION = "tracker-server", "tracker-archive"
SAMPLE = "sample"
"""This command may be left out."""
ASKING = ("-h", "--help", "--version")
OWN = ("serve", "site", "inspect", "export")
OTHERS = "tracker_server.commands"
"""The entry points of commands that other distributions bring. Each is a function that adds one to the parser."""


class CommandError(Exception):
    """What ends a command with the exit code 1: sentences for whoever runs it."""


def names() -> list[str]:
    """The commands that there are."""
    return [*OWN, *(command.name for command in _others())]


def main(argv: Sequence[str]) -> int:
    """Run a command; returns the exit code, which is 1 after a sentence about what cannot be read or written."""
    options = _parser().parse_args(argv)
    exit_on_signals(is_server=options.command is _serve)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (ExportError, CommandError) as error:
        print(error, file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Looks at exports of Pivotal Tracker, and serves them, or sample data, as a Tracker v5 API.",
        epilog=f"Each command has a --help of its own. Without a command it is `{PROGRAM} {SAMPLE}`.",
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_serve(commands)
    _add_site(commands)
    _add_inspect(commands)
    _add_export(commands)
    for other in _others():
        other.load()(commands)
    # Only for the help: this command is not run from here.
    commands.add_parser(SAMPLE, help="serve sample data as a Tracker v5 API, to test programs with", add_help=False)
    return parser


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


@cache
def _others() -> Iterable[EntryPoint]:
    by_name = {command.name: command for command in entry_points(group=OTHERS)}
    return [by_name[name] for name in sorted(by_name, reverse=True)]


def _add_serve(commands: _Commands) -> None:
    command = commands.add_parser("serve", help="serve exports as pages and as a Tracker v5 API, read-only")
    command.set_defaults(command=_serve)
    add_export_paths(command)
    command.add_argument("--host", default=arguments.HOST, help="address to listen on (%(default)s)")
    command.add_argument("--port", type=arguments.port, default=8080, help="0 picks a free one (%(default)s)")
    command.add_argument(
        "--keep", type=arguments.stories_in_memory, default=MOST_IN_MEMORY, metavar="STORIES",
        help="stories in memory at a time, 5 kB each; projects beyond that are read again on request (%(default)s)",
    )  # fmt: skip
    command.add_argument("--request-log", type=Path, metavar="FILE", help="file for one JSON line per request (none)")
    add_project_ids(command)
    arguments.add_password_file(command)
    command.add_argument("--open", action="store_true", help="open the first page in this machine's browser")


def _add_site(commands: _Commands) -> None:
    command = commands.add_parser(
        "site", help="write exports as pages that need no server",
        epilog="OUT can be opened from a disk (OUT/index.html) or put on any web server. A second run writes it again.",
    )  # fmt: skip
    command.set_defaults(command=_site)
    add_export_paths(command)
    command.add_argument("out", type=Path, metavar="OUT", help="a new folder, or one that a site was written to")
    add_project_ids(command)


def _add_inspect(commands: _Commands) -> None:
    command = commands.add_parser(
        "inspect", help="print what is read from exports, and every cell that is not understood",
        epilog="The exit code is 0 if every file can be read, even with parts not understood, and 1 otherwise.",
    )  # fmt: skip
    command.set_defaults(command=_inspect)
    add_export_paths(command)
    command.add_argument("--json", action="store_true", help="print one JSON object on each line")


def _add_export(commands: _Commands) -> None:
    command = commands.add_parser("export", help="write sample data as an export")
    command.set_defaults(command=_export)
    command.add_argument("out", type=Path, metavar="OUT.zip")
    command.add_argument("--projects", type=arguments.projects, default=3, help="number of projects (%(default)s)")
    command.add_argument("--stories", type=arguments.stories, default=250, help="stories in each project (%(default)s)")
    command.add_argument("--seed", type=int, default=1, help="the same seed gives the same data (%(default)s)")
    command.add_argument("--no-files", action="store_true", help="leave out the attached files")


def add_export_paths(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "exports", type=Path, nargs="+", metavar="EXPORT",
        help="a ZIP or CSV that Tracker exported, or a folder with such files in it or below",
    )  # fmt: skip


def add_project_ids(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--project", type=_name_and_id, action="append", default=[], metavar="NAME=ID",
        help="the id that a project had in Tracker; without it, the id is derived from the name",
    )  # fmt: skip


def project_ids(options: argparse.Namespace) -> dict[str, int]:
    """The ids of projects by name. Raises CommandError for a name that comes twice."""
    times = Counter(name for name, _ in options.project)
    twice = [name for name, number in times.items() if number > 1]
    if twice:
        raise CommandError(f"--project gives {twice[0]!r} two ids; give it one.")
    return dict(options.project)


def _name_and_id(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text} is not of the form NAME=ID")
    return name, arguments.whole_number(1, LARGEST_ID)(number)


def require_writable(out: Path, *comments: bytes) -> None:
    """Raises CommandError unless a ZIP can be written to `out`: a file there has to be one with such a comment."""
    try:
        if out.is_dir():
            raise CommandError(f"{out} is a folder; name a new file.")
        if out.is_file() and _comment_of(out) not in comments:
            raise CommandError(f"{out} does not say that this command wrote it; name a new file.")
        if out.is_file() or not out.exists():
            with tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(out))):
                pass
    except OSError as error:
        raise CommandError(f"Cannot write {out}: {error.strerror}.") from None


def _comment_of(file: Path) -> bytes:
    """The comment of a ZIP, empty for any other file. Raises OSError."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.comment
    except zipfile.BadZipFile:
        return b""


def _sources(paths: Sequence[Path]) -> Iterator[Source]:
    """The files, and those in the folders. Raises ExportError for a folder without any export."""
    for path in paths:
        sources = list(sources_at(path))
        require_exports(str(path), sources)
        yield from sources


def _serve(options: argparse.Namespace) -> int:
    world, report = read_exports(_sources(options.exports), project_ids(options), options.keep)
    server = TrackerServer(
        world, options.host, options.port, request_log=options.request_log, password=options.password_file, warm=True,
        keeps_log=False,
    )  # fmt: skip
    lines = [
        *_what_is_served(report, has_password=options.password_file is not None),
        *_warning_if_open_to_all(options),
    ]
    token = None if options.password_file else SAMPLE_TOKEN
    return serve(server, f"{options.host}:{options.port}", token, lines, opens=options.open)


def _warning_if_open_to_all(options: argparse.Namespace) -> Iterator[str]:
    if options.host not in arguments.ONLY_THIS_MACHINE and options.password_file is None:
        yield f"Anybody who reaches {options.host} can read all of it; --password-file asks for a password."


def _site(options: argparse.Namespace) -> int:
    world, report = read_exports(_sources(options.exports), project_ids(options))
    for line in _what_is_read(report):
        print(line)
    site = StaticSite(world, options.out)
    try:
        stories = site.write(lambda count: print(f"{count:,} stories are written", flush=True))
    except SiteError as error:
        raise CommandError(str(error)) from None
    for problem in site.missing:
        print(problem, file=sys.stderr)
    print(f"Wrote {stories:,} stories: open {options.out / 'index.html'} in a browser.")
    return 1 if site.missing or report.failures else 0


def _what_is_served(report: ExportReport, *, has_password: bool) -> Iterator[str]:
    if not has_password:
        yield "Any token works, and so does none."
    yield from _what_is_read(report)


def _what_is_read(report: ExportReport) -> Iterator[str]:
    for summary in report.served:
        yield f"{summary.name} (id {summary.project_id}) as of {summary.as_of:%Y-%m-%d}: {_counted(summary.rows)}"
    for failure in report.failures:
        yield f"Not read: {failure.words}"
    for finding in report.findings[:5]:
        yield f"Not understood: {finding}"
    if report.finding_count > 5:
        yield f"And {report.finding_count - 5:,} more; tracker-server inspect lists all."


def _inspect(options: argparse.Namespace) -> int:
    counts: Counter[str] = Counter()

    def print_finding(finding: Finding) -> None:
        counts["findings"] += 1
        print(json.dumps({"finding": asdict(finding)}) if options.json else finding)

    for found in inspect(_sources(options.exports), print_finding):
        if isinstance(found, ExportError):
            counts["errors"] += 1
            print(json.dumps({"error": str(found)}) if options.json else found)
        elif options.json:
            print(json.dumps({"export": asdict(found)}, default=str))
        else:
            print(*_described(found), sep="\n")
    if not options.json:
        print(f"{counts['findings']:,} findings, {counts['errors']:,} unreadable files.")
    return 1 if counts["errors"] else 0


def _described(summary: Summary) -> Iterator[str]:
    first, last = summary.iterations
    yield f"Project {summary.name} (id {summary.project_id}), from {', '.join(summary.files)}"
    for file, rows in summary.counting.items():
        yield f"  of {file}: {rows:,} rows are used"
    yield f"  rows        {_counted(summary.rows)}"
    yield f"  parts       {_counted(summary.parts)}"
    yield f"  files       {summary.attachments:,} of {summary.attachment_bytes:,} bytes"
    if summary.history:
        yield f"  history     {_described_history(summary.history)}"
    yield f"  iterations  {f'{first} to {last}' if first else 'none'}"
    yield f"  days        {f'{summary.oldest[:10]} to {summary.newest[:10]}' if summary.oldest else 'none'}"
    yield f"  exported    {summary.as_of:%Y-%m-%d}, or soon after"
    yield f"  labels      {summary.labels:,}"
    yield f"  people      {len(summary.people):,}: {', '.join(summary.people)}"


def _described_history(history: HistorySummary) -> str:
    not_understood = history.lines - history.understood
    more = f", {not_understood:,} are not understood" if not_understood else ""
    days = f"{history.oldest[:10]} to {history.newest[:10]}"
    return f"{history.lines:,} lines, {days}; {history.states:,} change a state{more}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts.items()) or "nothing"


def _export(options: argparse.Namespace) -> int:
    require_writable(options.out, OF_SAMPLE)
    world = make_world(options.projects, options.stories, options.seed)
    if not options.no_files:
        world.files = sample_files(world)
    try:
        with written_whole(options.out) as out:
            write_export(world, out)
    except OSError as error:
        raise CommandError(f"Cannot write {options.out}: {error.strerror}.") from None
    print(f"Wrote {options.out}: {options.projects:,} projects with {options.stories:,} stories each.")
    return 0
