"""Writes the generated parts of the documentation anew, or checks that they are fresh."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from airbyte_cdk.models import AirbyteStream, SyncMode

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.replica import DELETED_AT

ROOT = Path(__file__).resolve().parent.parent


def config_table() -> str:
    """The keys of the configuration, as spec.yaml describes them to Airbyte's form."""
    spec_yaml = (ROOT / "source_pivotal_tracker" / "spec.yaml").read_text(encoding="utf-8")
    form = yaml.safe_load(spec_yaml)["connectionSpecification"]
    return _table(
        ("Key", "Type and default", "Meaning"),
        (
            (f"`{key}`", _type_and_default(part, key in form["required"]), part["description"])
            for key, part in form["properties"].items()
        ),
    )


def stream_table() -> str:
    """The streams that the connector discovers, in its own order."""
    streams = SourcePivotalTracker().streams({"api_token": "docs"})
    return _table(
        ("Stream", "One record is", "Key", "Cursor", "A later sync brings"),
        (
            (
                f"`{stream.name}`",
                first_sentence(stream.__doc__ or ""),
                _columns(stream.primary_key),
                _columns(stream.cursor_field),
                _later(stream.as_airbyte_stream()),
            )
            for stream in streams
        ),
    )


SECTIONS: dict[str, Callable[[], str]] = {"config": config_table, "streams": stream_table}
PAGES: dict[str, tuple[str, ...]] = {"README.md": ("config", "streams")}


def regenerated(page: str, sections: Iterable[str]) -> str:
    """The text of a page with what is between the markers of these sections generated anew.

    Raises ValueError for a section whose pair of markers is not in the page exactly once.
    """
    for name in sections:
        begin, end = f"<!-- BEGIN GENERATED: {name} -->\n", f"<!-- END GENERATED: {name} -->"
        before, *between = re.split(f"{re.escape(begin)}.*?{re.escape(end)}", page, flags=re.DOTALL)
        if len(between) != 1:
            raise ValueError(f"the pair of markers of {name} is there {len(between)} times, not once")
        page = f"{before}{begin}{SECTIONS[name]()}{end}{between[0]}"
    return page


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the stale pages under root; with --check only name them. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")
    check = parser.parse_args(arguments).check
    status = 0
    for name, sections in PAGES.items():
        path = root / name
        page = path.read_text(encoding="utf-8")
        fresh = regenerated(page, sections)
        if page == fresh:
            continue
        if check:
            print(f"{name} is stale: run `make docs`.", file=sys.stderr)
            status = 1
        else:
            path.write_text(fresh, encoding="utf-8")
            print(f"{name} is written anew.")
    return status


def first_sentence(text: str) -> str:
    """A docstring up to the first full stop that ends a sentence, on one line.

    Raises ValueError if there is none: every stream has to say what one record is.
    """
    line = " ".join(text.split())
    sentence = re.match(r".+?\.(?= |$)", line)
    if not sentence:
        raise ValueError(f"no sentence in {line!r}")
    return sentence[0]


def _type_and_default(part: dict[str, Any], required: bool) -> str:
    kind = part.get("format", part["type"])
    if kind == "array":
        kind = f"array of {part['items']['type']}s"
    if "minimum" in part:
        kind = f"{kind} {part['minimum']}–{part['maximum']}"
    default = str(part["default"]).lower() if isinstance(part.get("default"), bool) else part.get("default")
    facts = [kind, "required" if required else "none" if default is None else f"`{default}`"]
    if part.get("airbyte_secret"):
        facts.append("secret")
    return ", ".join(facts)


def _later(stream: AirbyteStream) -> str:
    if SyncMode.incremental not in (stream.supported_sync_modes or ()):
        return "everything"
    return "changes, deletions" if DELETED_AT in stream.json_schema["properties"] else "changes"


def _columns(field: str | Sequence[str | Sequence[str]] | None) -> str:
    """A key or cursor as Airbyte declares it: a column, a list of columns, or a list of paths to columns."""
    if not field:
        return "–"
    columns = [field] if isinstance(field, str) else field
    return ", ".join(f"`{column if isinstance(column, str) else '.'.join(column)}`" for column in columns)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(map(_row, (head, ["---"] * len(head), *rows)))


def _row(cells: Iterable[str]) -> str:
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |\n"


if __name__ == "__main__":
    sys.exit(main())
