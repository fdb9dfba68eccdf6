"""Syncs a Rocketlane account into a DuckDB file with dlt's own `rest_api` source: run it again for what changed since.

SOURCES__ROCKETLANE__API_KEY=… python examples/dlt_rocketlane.py DATABASE [RESOURCE …]
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# dlt reads this when it is imported; without it, it sends usage data.
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")

import dlt
from dlt.common.schema.typing import TSimpleRegex
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import EndpointResource, IncrementalConfig, RESTAPIConfig
from requests import Response, codes

Row = dict[str, Any]

API = "https://api.rocketlane.com/api/1.0"
LAG = 600_000
"""Milliseconds that a sync asks for again: clocks differ, and a record may show up late."""
READ_WHOLE = {"time_offs", "phases", "spaces", "space_documents"}
"""Every sync brings all their rows: what did not come is gone.

Time-offs have no time of change. The others could be asked for changes, but that takes a request for each project all
the same, and dlt has one cursor for all projects: the old rows of one that the key may see only now would never come.
"""
ALL_FIELDS: Row = {"includeAllFields": "true"}
ARCHIVED: Row = {"includeArchive.eq": "true"}
ENTRY_FIELDS: Row = {
    "includeFields": "notes,sourceType,deleted,status,submittedBy,submittedAt,approvedBy,approvedAt,"
    "rejectedBy,rejectedAt,costRate,billRate"
}
"""A time entry knows no includeAllFields."""
DAYS = ("startDate", "dueDate", "startDateActual", "dueDateActual", "endDate", "date")
NUMBERS = (
    *("annualizedRecurringRevenue", "projectFee", "budgetedHours", "percentageBudgetedHoursConsumed"),
    *("allocatedMinutes", "trackedMinutes", "billableMinutes", "nonBillableMinutes", "remainingMinutes"),
    *("percentageBudgetConsumed", "progressPercentage", "progress"),
)
"""They may be whole at first, and dlt would take them for integers."""


def main() -> None:
    """Sync what the command line names. Where that fails, nothing is loaded, and the program ends and says why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path, metavar="DATABASE", help="a DuckDB file, made where it is missing")
    parser.add_argument("resources", nargs="*", metavar="RESOURCE", help="a resource to sync (all)")
    options = parser.parse_args()
    try:
        key = (dlt.secrets.get("sources.rocketlane.api_key", str) or "").strip()
        if not key or not (key.isascii() and key.isprintable()):
            raise ValueError("there is no API key in SOURCES__ROCKETLANE__API_KEY or .dlt/secrets.toml.")
        source = rocketlane(key, dlt.config.get("sources.rocketlane.base_url", str) or API)
        if unknown := set(options.resources) - source.selected_resources.keys():
            known = ", ".join(source.selected_resources)
            raise ValueError(f"there is no resource {', '.join(unknown)}. There are: {known}.")
        sync(source.with_resources(*options.resources or source.selected_resources), options.database)
    except PipelineStepFailed as failure:
        sys.exit(f"The sync failed: {_cause(failure)}")
    except (OSError, ValueError) as error:
        sys.exit(f"The sync failed: {error}")


def sync(source: DltSource, database: Path) -> None:
    """Bring what is new into the tables. Once it is there, dlt notes in the database how far this sync came."""
    destination = dlt.destinations.duckdb(str(database.resolve()))
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("rocketlane", pipelines_dir=folder, destination=destination)
        loaded = pipeline.run(source)
        came = ", ".join(f"'{load}'" for load in loaded.loads_ids) or "''"
        with pipeline.sql_client() as client:
            for table in READ_WHOLE & source.selected_resources.keys() & {*pipeline.default_schema.data_table_names()}:
                client.execute_sql(f'DELETE FROM "{table}" WHERE _dlt_load_id NOT IN ({came})')  # noqa: S608
    print(loaded)


def rocketlane(key: str, url: str) -> DltSource:
    """A resource for each list of the account, and `each_project`, which the lists of a project are asked for by."""
    started = round(time.time() * 1000)
    auth = APIKeyAuth(name="api-key", api_key=key, location="header")
    # `nextPage` is an http:// address, to which the key would go in clear: only the token is taken from the answer.
    paginator = JSONResponseCursorPaginator(
        "pagination.nextPageToken", cursor_param="pageToken", has_more_path="pagination.hasMore"
    )

    @dlt.resource(selected=False)
    def each_project() -> Iterator[list[Row]]:
        """All at once: a page's token is good for 15 minutes, and the lists of its projects may take longer."""
        client = RESTClient(url, auth=auth, paginator=paginator, data_selector="data")
        params = {"pageSize": 100, "includeArchive.eq": "true"}
        yield [row for page in client.paginate("projects", params=params, hooks={"response": _check}) for row in page]

    def with_cursor(row: Row) -> Row:
        """How far a row moves the cursor: not beyond the start of this sync.

        A list is in no order of change. What is edited while it is read may stand on a page that was read already, and
        must come with the next sync, however late the newest edit was.
        """
        return row | {"_cursor": min(row.get("updatedAt") or row.get("createdAt") or 0, started)}

    def changing(path: str, key: str, params: Row, first: int | None = None) -> EndpointResource:
        """A list that can be asked for changes. Of a row that comes twice in a sync, dlt keeps the newest."""
        since: IncrementalConfig = {"cursor_path": "_cursor", "start_param": "updatedAt.ge", "lag": LAG}
        return {
            "name": path.replace("-", "_"),
            "primary_key": key,
            "columns": {"updatedAt": {"dedup_sort": "desc"}},
            "endpoint": {"path": path, "params": params, "incremental": {**since, "initial_value": first}},
            "processing_steps": [{"map": with_cursor}],
        }

    config: RESTAPIConfig = {
        "client": {"base_url": url, "auth": auth, "paginator": paginator},
        "resource_defaults": {
            "write_disposition": "merge",
            "endpoint": {"data_selector": "data", "params": {"pageSize": 100}, "response_actions": [_check]},
        },
        "resources": [
            each_project,
            changing("projects", "projectId", ALL_FIELDS | ARCHIVED),
            changing("tasks", "taskId", ALL_FIELDS | ARCHIVED),
            # Who was invited and never came may have no time of change.
            changing("users", "userId", ALL_FIELDS | {"match": "any", "createdAt.ge": "{incremental.start_value}"}, 0),
            changing("fields", "fieldId", ALL_FIELDS),
            changing("time-entries", "timeEntryId", ENTRY_FIELDS | {"includeDeleted.eq": "true"}),
            {
                "name": "time_offs",
                "primary_key": "timeOffId",
                "endpoint": {"path": "time-offs", "params": ALL_FIELDS},
            },
            _of_project("phases", "phaseId", ALL_FIELDS),
            _of_project("spaces", "spaceId", {}),
            _of_project("space-documents", "spaceDocumentId", {}),
        ],
    }
    source = rest_api_source(config, name="rocketlane", max_table_nesting=0)
    source.schema.remove_type_detection("iso_timestamp")  # A text that looks like a time stays a text.
    source.schema.update_preferred_types(
        {**dict.fromkeys(map(TSimpleRegex, DAYS), "date"), **dict.fromkeys(map(TSimpleRegex, NUMBERS), "double")},
        normalize_identifiers=True,
    )
    return source


def _of_project(path: str, key: str, params: Row) -> EndpointResource:
    """A list that each project has its own of. A project that was deleted meanwhile is no failure."""
    return {
        "name": path.replace("-", "_"),
        "primary_key": key,
        "include_from_parent": ["projectId"],
        "endpoint": {
            "path": path,
            "params": {"projectId": "{resources.each_project.projectId}", **params},
            "response_actions": [{"status_code": 404, "action": "ignore"}, _check],
        },
        "processing_steps": [{"map": _with_project_id}],
    }


def _check(response: Response, *_: Any, **__: Any) -> None:
    """Refuses a redirect, which dlt would follow with the key, and a broken answer, which it takes for an empty list.

    After a 429 it waits for what `Retry-After` says, which Rocketlane does not send, or gives up after 15 seconds.
    """
    if response.is_redirect:
        raise ValueError(f"{response.url} leads to another address, to which the API key is not sent.")
    if response.status_code == codes.unauthorized:
        raise ValueError("Rocketlane does not accept the API key.")
    if response.status_code == codes.too_many_requests:
        until = response.headers.get("X-Retry-After", "")
        seconds = math.ceil(int(until) / 1000 - time.time()) if until.isdecimal() else 60
        response.headers["Retry-After"] = str(max(seconds, 1))
    response.raise_for_status()
    if not _is_whole(response):
        raise ValueError(f"{response.url} answers without a list, or says that it goes on, but not where.")


def _is_whole(response: Response) -> bool:
    try:
        body = response.json()
        follows = body["pagination"].get("nextPageToken", "") not in response.url
        return isinstance(body["data"], list) and (follows or not body["pagination"]["hasMore"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _with_project_id(row: Row) -> Row:
    row["projectId"] = row.pop("_each_project_projectId")
    return row


def _cause(error: BaseException) -> BaseException:
    return _cause(error.__cause__) if error.__cause__ else error


if __name__ == "__main__":
    main()
