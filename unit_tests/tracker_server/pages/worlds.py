"""Worlds for the tests of pages: the sample, exports of it, and one in which every text is hostile."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from tracker_server.exports import read_exports, sources_at, write_export
from tracker_server.sample import make_world, sample_files
from tracker_server.world import Project, Row, StoredFile, World

HOSTILE = (
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    '"><svg onload="window.hit = 1">',
    "' onmouseover='window.hit = 1' autofocus onfocus='window.hit = 1",
    "[a](javascript:window.hit=1)",
    "[b](data:text/html,<script>window.hit=1</script>)",
    "![c](https://elsewhere.example/c.png)",
    '![d](x "onerror=window.hit=1")',
    "<a href='java\tscript:window.hit=1'>e</a>",
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "{{ 7 * 7 }}{% raw %}",
    "</title></textarea></style><script>window.hit = 1</script>",
    "<details open ontoggle='window.hit = 1'>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=window.hit=1>",
    "[f]: javascript:window.hit=1\n\n[f]",
    'https://www.pivotaltracker.com/story/show/1"onmouseover=window.hit=1',
)


def sample_world(projects: int = 2, stories: int = 60) -> World:
    world = make_world(projects, stories)
    world.files = sample_files(world)
    return world


def exported(world: World, folder: Path) -> World:
    """The world that an export of another one holds."""
    path = folder / "export.zip"
    with path.open("wb") as out:
        write_export(world, out)
    return read_exports(sources_at(path))[0]


def hostile_world(text: str) -> World:
    """A small world in which everything that a person could type is this text."""
    world = sample_world(1, 12)
    project = next(iter(world.projects.values()))
    for row in _rows(world, project):
        for name in NAMES & row.keys():
            row[name] = text
    project.row["description"] = text
    first = next(iter(project.stories.values()))
    first["description"] = f"{text}\n\n{text}"
    first["comments"] = [
        {
            "id": 1,
            "text": text,
            "person_id": next(iter(world.people)),
            "file_attachments": [_file(2, text)],
            "google_attachments": [_google_file(text)],
        }
    ]
    first["tasks"] = [{"id": 3, "description": text, "complete": False}]
    first["blockers"] = [{"id": 4, "description": text, "resolved": False}]
    first["pull_requests"] = [{"id": 5, "original_url": text}, {"id": 6, "original_url": f"https://x.example/{text}"}]
    first["branches"] = [{"id": 7, "name": text, "original_url": text}]
    first["label_ids"] = list(project.labels)[:1]
    world.files = {2: StoredFile(text, 20, "text/html", lambda: BytesIO(b"<script>hit</script>"))}
    return world


NAMES = {
    "name", "description", "text", "message", "initials", "username", "filename", "title", "alternate_link",
    "original_url", "commit_identifier", "external_id",
}  # fmt: skip
"""The attributes that hold what somebody typed."""


def _rows(world: World, project: Project) -> list[Row]:
    rows: list[Row] = [project.row, *world.people.values(), *project.labels.values(), *project.review_types.values()]
    rows += [*project.epics.values(), *project.activity]
    for story in project.stories.values():
        rows.append(story)
        for part in ("tasks", "comments", "blockers", "pull_requests", "branches"):
            rows += story.get(part) or []
    return rows


def _file(file_id: int, filename: str) -> dict[str, Any]:
    return {"id": file_id, "filename": filename, "size": 20, "content_type": "text/html"}


def _google_file(text: str) -> dict[str, Any]:
    return {"id": 8, "title": text, "alternate_link": text}
