"""Writes the generated parts of the documentation, and the files for Airbyte's tests, or checks that they are fresh."""

from __future__ import annotations

import argparse
import ast
import posixpath
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from airbyte_cdk.models import AirbyteStream, SyncMode

from source_pivotal_tracker.config import parse_config
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.wiring import client_of, parents_of, streams_of
from tools.acceptance_files import abnormal_state, configured_catalog, incremental_catalog
from tools.costs import cost, words
from tools.markdown import table
from tools.reference import columns, reference
from tools.replica import DELETED_AT

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = "CHANGELOG.md"
STREAMS_PAGE = "docs/streams.md"
PACKAGES = ("source_pivotal_tracker", "tracker_server", "tracker_report")

_RELEASE = re.compile(r"^## \[(?P<version>.+?)\] – (?P<date>.+)\n\n(?P<summary>[^\n#-](?:.+\n)+)", re.MULTILINE)


def config_table(_: str) -> str:
    """The keys of the configuration, as spec.yaml describes them to Airbyte's form."""
    spec_yaml = (ROOT / "source_pivotal_tracker" / "spec.yaml").read_text(encoding="utf-8")
    form = yaml.safe_load(spec_yaml)["connectionSpecification"]
    return table(
        ("Key", "Type and default", "Meaning"),
        (
            (f"`{key}`", _type_and_default(part, key in form.get("required", ())), part["description"])
            for key, part in form["properties"].items()
        ),
    )


def stream_table(page: str) -> str:
    """The streams that the connector discovers, in its own order."""
    return table(
        ("Stream", "One record is", "Key", "Cursor", "A later sync brings"),
        (
            (
                _link(stream, page),
                first_sentence(stream.__doc__ or ""),
                columns(stream.primary_key),
                columns(stream.cursor_field),
                _later(stream.as_airbyte_stream()),
            )
            for stream in streams()
        ),
    )


def cost_table(page: str) -> str:
    """What a sync of each stream asks for, as the planner plans it."""
    costs = ((_link(stream, page), cost(stream)) for stream in streams())
    return table(
        ("Stream", "List that it comes from", "First sync", "Project unchanged", "Project changed"),
        (
            (
                link,
                ", ".join(f"`{path}`" for path in cost_of_stream.paths),
                *map(words, (cost_of_stream.first, cost_of_stream.unchanged, cost_of_stream.changed)),
            )
            for link, cost_of_stream in costs
        ),
    )


def module_table(_: str) -> str:
    """Every module of the connector and of the server, each with the first sentence of its docstring."""
    paths = [path.relative_to(ROOT) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return table(("Module", "What it is"), ((f"[`{path}`]({path})", _purpose(path)) for path in paths))


def stream_reference(_: str) -> str:
    """A section for each stream, with every field."""
    return reference(streams())


def release_table(_: str) -> str:
    """The chapter of the versions in the changelog, each with its summary, in the form that Airbyte's pages have."""
    rows = table(("Version", "Date", "Subject"), releases((ROOT / CHANGELOG).read_text(encoding="utf-8")))
    return f"## Changelog\n\n<details>\n  <summary>Expand to review</summary>\n\n{rows}\n</details>\n"


def releases(changelog: str) -> list[tuple[str, str, str]]:
    """Version, date and summary of each release: the summary is the paragraph under its heading.

    Raises ValueError where a release has none.
    """
    found = [
        (release["version"], release["date"], " ".join(release["summary"].split()))
        for release in _RELEASE.finditer(changelog)
    ]
    if len(found) != changelog.count("\n## "):
        raise ValueError("a release has no date, or no paragraph under its heading that sums it up")
    return found


Section = Callable[[str], str]
"""Takes the page that it is for, by its path in the repository: links are relative to that."""

SECTIONS: dict[str, Section] = {
    "config": config_table,
    "streams": stream_table,
    "costs": cost_table,
    "releases": release_table,
    "reference": stream_reference,
    "modules": module_table,
}
PAGES: dict[str, tuple[str, ...]] = {
    "CONTRIBUTING.md": ("modules",),
    "docs/pivotal-tracker.md": ("config", "streams", "costs", "releases"),
    STREAMS_PAGE: ("reference",),
}
FILES: dict[str, Callable[[Iterable[TrackerStream]], str]] = {
    "integration_tests/configured_catalog.json": configured_catalog,
    "integration_tests/incremental_configured_catalog.json": incremental_catalog,
    "integration_tests/abnormal_state.json": abnormal_state,
}
"""The files that are generated as a whole."""


def regenerated(name: str, page: str, sections: Iterable[str]) -> str:
    """The text of the page of this name with what is between the markers of these sections generated anew.

    Raises ValueError for a section whose pair of markers is not in the page exactly once.
    """
    for section in sections:
        begin, end = f"<!-- BEGIN GENERATED: {section} -->\n", f"<!-- END GENERATED: {section} -->"
        before, *between = re.split(f"{re.escape(begin)}.*?{re.escape(end)}", page, flags=re.DOTALL)
        if len(between) != 1:
            raise ValueError(f"the pair of markers of {section} is there {len(between)} times, not once")
        page = f"{before}{begin}{SECTIONS[section](name)}{end}{between[0]}"
    return page


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write the stale pages and files under root; with --check only name them. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")
    check = parser.parse_args(arguments).check
    status = 0
    for name in (*PAGES, *FILES):
        path = root / name
        page = path.read_text(encoding="utf-8")
        fresh = FILES[name](streams()) if name in FILES else regenerated(name, page, PAGES[name])
        if page == fresh:
            continue
        if check:
            print(f"{name} is stale: run `make docs`.", file=sys.stderr)
            status = 1
        else:
            path.write_text(fresh, encoding="utf-8")
            print(f"{name} is written.")
    return status


def streams() -> list[TrackerStream]:
    """All streams, for nobody's server."""
    nobodys = parse_config({"api_token": "docs"})
    client = client_of(nobodys)
    return streams_of(nobodys, client, parents_of(nobodys, client))


def first_sentence(text: str) -> str:
    """A docstring up to the first full stop that ends a sentence, on one line.

    Raises ValueError if there is none: every stream has to say what one record is, and every module what it is for.
    """
    line = " ".join(text.split())
    sentence = re.match(r".+?\.(?= |$)", line)
    if not sentence:
        raise ValueError(f"no sentence in {line!r}")
    return sentence[0]


def _purpose(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse((ROOT / module).read_text(encoding="utf-8")))
    if not docstring:
        raise ValueError(f"{module} does not say what it is: add a docstring")
    return first_sentence(docstring)


def _link(stream: TrackerStream, page: str) -> str:
    return f"[`{stream.name}`]({posixpath.relpath(STREAMS_PAGE, posixpath.dirname(page) or '.')}#{stream.name})"


def _type_and_default(part: dict[str, Any], required: bool) -> str:
    kind = part.get("format", part["type"])
    if kind == "array":
        # Where it may be of several, the first is what it is and the others are other ways to write it.
        first, *_ = types if isinstance(types := part["items"]["type"], list) else [types]
        kind = f"array of {first}s"
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


if __name__ == "__main__":
    sys.exit(main())
