"""The command line: `tracker-report DATABASE OUT.html`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tracker_report.databases import opened
from tracker_report.errors import ReportError
from tracker_report.page import report

DESCRIPTION = """\
Writes a report on the dbt models of Tracker as one HTML file: velocity, burn-up, forecast, cycle time, cumulative flow,
throughput, rejections, what is blocked and what is old. It opens in any browser, without a network."""
BEGINNING = b"<!doctype html>"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report; returns the exit status, which is 1 if there is none."""
    parser = argparse.ArgumentParser("tracker-report", description=DESCRIPTION)
    parser.add_argument("database", metavar="DATABASE", help="a DuckDB file, or postgresql://user@host/database")
    parser.add_argument("out", metavar="OUT.html", type=Path, help="the page, which is written anew")
    parser.add_argument("--schema", help="where the models are (the only schema that has some)")
    parser.add_argument("--project", action="append", default=[], metavar="NAME", help="a project to show (all)")
    options = parser.parse_args(arguments)
    try:
        _refuse_what_is_no_page(options.out)
        with opened(options.database, options.schema) as models:
            page = report(models, options.project)
        _write(page, options.out)
    except ReportError as error:
        print(error, file=sys.stderr)
        return 1
    is_shown = options.out.is_file()
    print(
        f"Wrote {options.out}, {len(page.encode()) / 1e6:.1f} MB: open it in a browser.",
        file=sys.stdout if is_shown else sys.stderr,
    )
    return 0


def _refuse_what_is_no_page(out: Path) -> None:
    """Raises ReportError for a file that is there and is no page, such as the database itself."""
    with _converting_errors(out):
        if not out.is_file():
            return
        with out.open("rb") as file:
            beginning = file.read(len(BEGINNING)).lower()
    if beginning not in (b"", BEGINNING):
        raise ReportError(f"{out} is there and is no page, so it is left as it is: name another file.")


def _write(page: str, out: Path) -> None:
    """Write a page whole, so that what is there before stays until then; a pipe or a device gets it as it comes."""
    with _converting_errors(out):
        if out.exists() and not out.is_file():
            out.write_text(page, encoding="utf-8")
            return
        target = Path(os.path.realpath(out))
        part = target.with_name(f".{target.name}.part")
        try:
            part.write_text(page, encoding="utf-8")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _converting_errors(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportError(f"Cannot write {out}: {error.strerror}.") from None


if __name__ == "__main__":
    sys.exit(main())
