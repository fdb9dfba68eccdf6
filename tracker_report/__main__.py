"""The command line: `tracker-report DATABASE OUT.html`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tracker_report.databases import opened
from tracker_report.errors import ReportError
from tracker_report.page import report

DESCRIPTION = """\
Writes a report on the dbt models of Tracker as one HTML file: velocity, burn-up, forecast, cycle time, cumulative flow,
throughput, rejections, what is blocked and what is old. It opens in any browser, without a network."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report; returns the exit status, which is 1 if there is none."""
    parser = argparse.ArgumentParser("tracker-report", description=DESCRIPTION)
    parser.add_argument("database", metavar="DATABASE", help="a DuckDB file, or postgresql://user@host/database")
    parser.add_argument("out", metavar="OUT.html", type=Path, help="the page, which is written anew")
    parser.add_argument("--schema", help="where the models are (the only schema that has some)")
    parser.add_argument("--project", action="append", default=[], metavar="NAME", help="a project to show (all)")
    options = parser.parse_args(arguments)
    try:
        with opened(options.database, options.schema) as models:
            page = report(models, options.project)
        _write(page, options.out)
    except ReportError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Wrote {options.out}, {len(page.encode()) / 1e6:.1f} MB: open it in a browser.")
    return 0


def _write(page: str, out: Path) -> None:
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"Cannot write {out}: {error.strerror}.") from None


if __name__ == "__main__":
    sys.exit(main())
