"""What records do not show as the server sent it: no secrets, URLs that can be fetched, and ids of one type."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from tracker_server.api.protocol import PREFIX
from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN
from tracker_server.world import Project, World
from unit_tests.interception import instead, json, without_fields
from unit_tests.source_pivotal_tracker.streams.reads import synced
from unit_tests.syncs import Sync, config_for

whether_the_server_ignores_fields = pytest.mark.parametrize(
    "ignores_fields", [False, True], ids=["with fields", "where the server ignores fields"]
)


def secrets_of(project: Project) -> set[str]:
    """Everything secret in a project's webhooks and integrations: whole values, and what hides in URLs."""
    secrets = set()
    for row in [*project.webhooks.values(), *project.integrations.values()]:
        for attribute, value in row.items():
            if re.search("password|token|user", attribute):
                secrets.add(value)
            elif attribute.endswith("url"):
                parts = urlsplit(value)
                secrets |= {part for part in (parts.password, parts.query) if part}
    return secrets


@whether_the_server_ignores_fields
@pytest.mark.parametrize("stream", ["webhooks", "integrations"])
def test_no_record_of_a_webhook_or_an_integration_holds_a_secret(
    stream: str, ignores_fields: bool, world: World
) -> None:
    rows = synced(world, stream, before=without_fields(world) if ignores_fields else None).records[stream]
    shown = {row["project_id"] for row in rows}
    secrets = {secret for project_id in shown for secret in secrets_of(world.projects[project_id])}
    assert len(secrets) > 5
    assert [secret for secret in secrets if secret in str(rows)] == []


@whether_the_server_ignores_fields
def test_the_tokens_person_is_read_without_the_token(ignores_fields: bool, world: World) -> None:
    (me,) = synced(world, "me", before=without_fields(world) if ignores_fields else None).records["me"]
    assert me["id"] == world.tokens[SAMPLE_TOKEN]
    assert "api_token" not in me
    assert SAMPLE_TOKEN not in str(me)


def test_the_ids_that_other_tools_gave_are_texts_whatever_the_tool_calls_an_id(world: World, first: int) -> None:
    ids = {"filter_id": 10200, "view_id": "360", "bin_id": 2**60, "external_project_id": None}
    row = {"id": 1, "kind": "other_integration", **ids}
    others = {"id": 2, "filter_id": 1.5, "view_id": True, "bin_id": {"id": "ä"}, "external_project_id": "007"}
    answer = instead({f"/projects/{first}/integrations": json([row, others])})
    came = {row["id"]: row for row in synced(world, "integrations", before=answer).records["integrations"]}
    assert {key: came[1][key] for key in ids} == {
        "filter_id": "10200",
        "view_id": "360",
        "bin_id": str(2**60),
        "external_project_id": None,
    }
    assert {key: came[2][key] for key in ids} == {
        "filter_id": "1.5",
        "view_id": "true",
        "bin_id": '{"id": "ä"}',
        "external_project_id": "007",
    }


def test_the_urls_of_files_are_absolute_on_the_servers_host(world: World) -> None:
    with TrackerServer(world) as server:
        files = Sync(config_for(server), ["file_attachments"]).records["file_attachments"]
    host = server.url.removesuffix(PREFIX)
    assert files
    assert all(file["download_url"].startswith(f"{host}/file_attachments/{file['id']}/") for file in files)


def test_the_url_of_a_file_on_another_host_stays_as_it_is(world: World, first: int) -> None:
    file = {"id": 3, "download_url": "https://files.example.com/3", "big_url": "#", "thumbnail_url": None}
    row = {"id": 1, "comments": [{"id": 2, "file_attachments": [file]}]}
    sync = synced(world, "file_attachments", before=instead({f"/projects/{first}/stories": json([row], Total=1)}))
    (came,) = [row for row in sync.records["file_attachments"] if row["id"] == 3]
    assert {key: came[key] for key in file} == file
