"""Syncs a PersistIQ account into a DuckDB file with dlt's own `rest_api` source: run it again for what changed since.

SOURCES__PERSISTIQ__API_KEY=… python examples/dlt_persistiq.py DATABASE [RESOURCE …]
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

# dlt reads this when it is imported; without it, it sends usage data.
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")

import dlt
from dlt.common.schema.typing import TSimpleRegex
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import Endpoint, EndpointResource, IncrementalConfig, RESTAPIConfig
from requests import Response, codes

Row = dict[str, Any]

API = "https://api.persistiq.com/v1"
LAG = 600
"""Seconds that a sync asks for again: clocks differ, and a record may show up late."""
READ_WHOLE = {"users", "campaigns", "lead_statuses", "lead_fields", "campaign_leads", "dnc_domains", "tags"}
"""PersistIQ cannot be asked for their changes, so every sync brings all their rows: what did not come is gone."""
TIMES = ("event_at", "created_at", "_event_at", "last_sent_at", "_synced_until")
FLAGS = ("bounced", "optedout")
"""Some of them come as texts."""


class Pages(PageNumberPaginator):
    """Asks for page 1, 2, 3 … until an answer does not say that it `has_more`.

    `next_page` is a whole address: dlt's JSONLinkPaginator would follow it to any host, with the key. Its paginator of
    numbers fails by `has_more_path` where `has_more` is absent, as it may be of users, and that means one page.
    """

    def __init__(self) -> None:
        super().__init__(base_page=1, total_path=None)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        self._has_next_page = self._has_next_page and response.json().get("has_more") is True


def main() -> None:
    """Sync what the command line names. Where that fails, nothing is loaded, and the program ends and says why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path, metavar="DATABASE", help="a DuckDB file, made where it is missing")
    parser.add_argument("resources", nargs="*", metavar="RESOURCE", help="a resource to sync (all)")
    options = parser.parse_args()
    try:
        key = (dlt.secrets.get("sources.persistiq.api_key", str) or "").strip()
        if not key or not (key.isascii() and key.isprintable()):
            raise ValueError("there is no API key in SOURCES__PERSISTIQ__API_KEY or .dlt/secrets.toml.")
        source = persistiq(key, dlt.config.get("sources.persistiq.base_url", str) or API)
        if unknown := set(options.resources) - source.resources.keys():
            raise ValueError(f"there is no resource {', '.join(unknown)}. There are: {', '.join(source.resources)}.")
        sync(source.with_resources(*options.resources or source.selected_resources), options.database)
    except PipelineStepFailed as failure:
        sys.exit(f"The sync failed: {_cause(failure)}")
    except (OSError, ValueError) as error:
        sys.exit(f"The sync failed: {error}")


def sync(source: DltSource, database: Path) -> None:
    """Bring what is new into the tables. Once it is there, dlt notes in the database how far this sync came."""
    destination = dlt.destinations.duckdb(str(database.resolve()))
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("persistiq", pipelines_dir=folder, destination=destination)
        loaded = pipeline.run(source)
        came = ", ".join(f"'{load}'" for load in loaded.loads_ids) or "''"
        with pipeline.sql_client() as client:
            for table in READ_WHOLE & source.selected_resources.keys() & {*pipeline.default_schema.data_table_names()}:
                client.execute_sql(f'DELETE FROM "{table}" WHERE _dlt_load_id NOT IN ({came})')  # noqa: S608
    print(loaded)


def persistiq(key: str, url: str) -> DltSource:
    """A resource for each list of the account."""
    started = _in_utc(datetime.now(UTC))
    config: RESTAPIConfig = {
        "client": {
            "base_url": url,
            "auth": APIKeyAuth(name="x-api-key", api_key=key, location="header"),
            "paginator": Pages(),
        },
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [
            _list("users"),
            # A lead carries no time of change, so the start of the sync that brings it takes its place.
            {
                **_list("leads", {"incremental": _since("_synced_until", "updated_after")}),
                "processing_steps": [{"map": lambda lead: {**lead, "_synced_until": started}}],
            },
            _list("campaigns"),
            _list("lead_statuses", {"paginator": "single_page"}),
            _list("lead_fields", {"paginator": "single_page"}),
            {
                "name": "campaign_leads",
                "include_from_parent": ["id"],
                "endpoint": {
                    "path": "campaigns/{resources.campaigns.id}/leads",
                    "data_selector": "campaign_leads",
                    # A campaign that was deleted meanwhile is no failure.
                    "response_actions": [{"status_code": 404, "action": "ignore"}, partial(_check, "campaign_leads")],
                },
                "processing_steps": [{"map": _with_campaign_id}],
            },
            # An end keeps the pages still: what happens meanwhile would push the rows on.
            {
                **_list("events", {"params": {"end_at": started}, "incremental": _since("_event_at", "start_at")}),
                "processing_steps": [{"map": _with_event_at}],
            },
            _list("dnc_domains"),
            _list("tags"),
        ],
    }
    source = rest_api_source(config, name="persistiq", max_table_nesting=0)
    source.schema.remove_type_detection("iso_timestamp")  # A text that looks like a time stays a text.
    source.schema.update_preferred_types(
        {**dict.fromkeys(map(TSimpleRegex, TIMES), "timestamp"), **dict.fromkeys(map(TSimpleRegex, FLAGS), "bool")}
    )
    return source


def _list(name: str, more: Endpoint | None = None) -> EndpointResource:
    """A list whose path is its name, and whose rows stand under it."""
    endpoint: Endpoint = {"path": name, "data_selector": name, "response_actions": [partial(_check, name)]}
    return {"name": name, "endpoint": {**endpoint, **(more or {})}}


def _since(cursor: str, parameter: str) -> IncrementalConfig:
    return {"cursor_path": cursor, "start_param": parameter, "lag": LAG, "on_cursor_value_missing": "include"}


def _check(rows: str, response: Response) -> None:
    """Refuses a redirect, which dlt would follow with the key, and a broken answer, which it takes for an empty list.

    After a 429 it waits for what `Retry-After` says, which PersistIQ does not send, or gives up after 15 seconds.
    """
    if response.is_redirect:
        raise ValueError(f"{response.url} leads to another address, to which the API key is not sent.")
    if response.status_code == codes.unauthorized:
        raise ValueError("PersistIQ does not accept the API key.")
    if response.status_code == codes.too_many_requests:
        reset = response.headers.get("X-RateLimit-Reset", "")
        seconds = math.ceil(int(reset) - time.time()) if reset.isdecimal() else 60
        response.headers["Retry-After"] = str(max(seconds, 1))
    if response.ok and not _has_list(response, rows):
        raise ValueError(f"{response.url} answers without a list of {rows}.")


def _has_list(response: Response, rows: str) -> bool:
    try:
        body = response.json()
        return isinstance(body[rows], list) and body.get("status") != "error"
    except (KeyError, TypeError, ValueError):
        return False


def _with_campaign_id(row: Row) -> Row:
    row["campaign_id"] = row.pop("_campaigns_id")
    return row


def _with_event_at(event: Row) -> Row:
    """An event has its time in one of two places, with any offset from UTC."""
    if when := event.get("event_at") or event.get("created_at"):
        event["_event_at"] = _in_utc(datetime.fromisoformat(when.replace("Z", "+00:00")))
    return event


def _in_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _cause(error: BaseException) -> BaseException:
    return _cause(error.__cause__) if error.__cause__ else error


if __name__ == "__main__":
    main()
