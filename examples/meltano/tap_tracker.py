#!/usr/bin/env python3
"""A Singer tap for Tracker: it runs the connector, and says what that says in Singer's words, for any target.

    tap_tracker.py --config CONFIG --discover > CATALOG
    tap_tracker.py --config CONFIG --catalog CATALOG --state STATE | TARGET

Its configuration is the connector's, and `connector`, the path of its executable. It needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Message = dict[str, Any]

CONNECTOR = "source-pivotal-tracker"


class Failed(Exception):
    """The connector did not end well; it has said why in its log."""


class Connector:
    """The connector's command line, with a folder for the files that it is given."""

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        self._folder = folder
        self._config = {name: value for name, value in config.items() if name != "connector"}
        self._executable = str(config.get("connector") or CONNECTOR)

    def messages(self, verb: str, **files: object) -> Iterator[Message]:
        """What it prints, but for its log, which goes to stderr. Raises Failed at the end where it fails."""
        command = [self._executable, verb]
        for name, content in {"config": self._config, **files}.items():
            path = self._folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            command += [f"--{name}", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603
            for line in process.stdout or ():
                message: Message = json.loads(line)
                if message["type"] == "LOG":
                    print(message["log"]["level"], message["log"]["message"], file=sys.stderr)
                elif message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
                    print("ERROR", message["trace"]["error"]["message"], file=sys.stderr)
                else:
                    yield message
        if process.returncode:
            raise Failed(f"{self._executable} {verb} ended with exit code {process.returncode}.")

    def streams(self) -> list[Message]:
        """The streams that discover offers."""
        (catalog,) = (message["catalog"] for message in self.messages("discover") if message["type"] == "CATALOG")
        streams: list[Message] = catalog["streams"]
        return streams


def entry(stream: Message) -> Message:
    """A stream as Singer's catalogs have it. Its key has all of its columns, and they cannot be left out."""
    key = [column for (column,) in stream["source_defined_primary_key"]]
    cursor = stream.get("default_cursor_field") or []
    of_columns = [
        {
            "breadcrumb": ["properties", name],
            "metadata": {"inclusion": "automatic" if name in {*key, *cursor} else "available"},
        }
        for name in stream["json_schema"]["properties"]
    ]
    of_stream = {"inclusion": "available", "selected-by-default": True, "table-key-properties": key}
    return {
        "tap_stream_id": stream["name"],
        "stream": stream["name"],
        "schema": stream["json_schema"],
        "key_properties": key,
        "metadata": [{"breadcrumb": [], "metadata": of_stream}, *of_columns],
    }


def metadata_of(chosen: Message) -> dict[tuple[str, ...], Message]:
    """What a catalog says of a stream, whose path is empty, and of its columns."""
    return {tuple(known["breadcrumb"]): known["metadata"] for known in chosen["metadata"]}


def is_selected(metadata: Message) -> bool:
    return bool(metadata.get("inclusion") == "automatic" or metadata.get("selected", True))


class Sync:
    """One read: the streams that a catalog selects, from a state of an earlier one on.

    A stream without a cursor comes whole each time, as a version of its table, which a target activates at the end. A
    read that goes on with one that was interrupted goes on with its versions.
    """

    def __init__(self, connector: Connector, offered: list[Message], catalog: Message, state: Message) -> None:
        entries = {chosen["tap_stream_id"]: chosen for chosen in catalog["streams"]}
        self._connector = connector
        self._streams = {
            stream["name"]: stream
            for stream in offered
            if stream["name"] in entries and is_selected(metadata_of(entries[stream["name"]]).get((), {}))
        }
        self._entries = {name: entries[name] for name in self._streams}
        self._columns = {name: columns(chosen) for name, chosen in self._entries.items()}
        self._states: dict[str, Message] = {
            known["stream"]["stream_descriptor"]["name"]: known for known in state.get("states", [])
        }
        begun = state.get("versions", {})
        now = time.time_ns() // 1_000_000
        self._versions = {
            name: begun.get(name, now)
            for name, stream in self._streams.items()
            if "incremental" not in stream["supported_sync_modes"]
        }

    def messages(self) -> Iterator[Message]:
        """All that a target is told. Raises Failed."""
        for name, chosen in self._entries.items():
            properties = chosen["schema"]["properties"]
            schema = {**chosen["schema"], "properties": {column: properties[column] for column in self._columns[name]}}
            yield {"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": chosen["key_properties"]}
        read = {"catalog": {"streams": [configured(stream) for stream in self._streams.values()]}}
        for message in self._connector.messages("read", **read, state=list(self._states.values())):
            if message["type"] == "RECORD":
                yield self._record(message["record"])
            elif message["type"] == "STATE":
                # Without its counts: targets cannot write a state that has a number with a decimal point.
                known = {"type": "STREAM", "stream": message["state"]["stream"]}
                self._states[known["stream"]["stream_descriptor"]["name"]] = known
                yield self._state()
            elif message["trace"].get("stream_status", {}).get("status") == "COMPLETE":
                name = message["trace"]["stream_status"]["stream_descriptor"]["name"]
                version = self._versions.pop(name, None)
                if version:
                    # The next read begins a new version: a state that says that all has come would leave it empty.
                    self._states.pop(name, None)
                    yield {"type": "ACTIVATE_VERSION", "stream": name, "version": version}
                    yield self._state()

    def _record(self, record: Message) -> Message:
        name, columns = record["stream"], self._columns[record["stream"]]
        message = {
            "type": "RECORD",
            "stream": name,
            "record": {column: value for column, value in record["data"].items() if column in columns},
            "time_extracted": datetime.fromtimestamp(record["emitted_at"] / 1000, UTC).isoformat(),
        }
        version = self._versions.get(name)
        return {**message, "version": version} if version else message

    def _state(self) -> Message:
        return {"type": "STATE", "value": {"states": list(self._states.values()), "versions": self._versions}}


def columns(chosen: Message) -> set[str]:
    """The columns of a stream that a catalog does not leave out."""
    metadata = metadata_of(chosen)
    return {name for name in chosen["schema"]["properties"] if is_selected(metadata.get(("properties", name), {}))}


def configured(stream: Message) -> Message:
    """A stream in the connector's catalog: what changed where it can tell, else all of it."""
    if "incremental" in stream["supported_sync_modes"]:
        return {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    return {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=_json_in, required=True, metavar="FILE")
    parser.add_argument("--discover", action="store_true")
    parser.add_argument("--catalog", type=_json_in, metavar="FILE")
    parser.add_argument("--state", type=_json_in, default={}, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        connector = Connector(options.config, Path(folder))
        try:
            offered = connector.streams()
            catalog = {"streams": [entry(stream) for stream in offered]}
            if options.discover:
                print(json.dumps(catalog, indent=2))
                return
            for message in Sync(connector, offered, options.catalog or catalog, options.state).messages():
                print(json.dumps(message), flush=message["type"] == "STATE")
        except (Failed, OSError) as failure:
            sys.exit(str(failure))


def _json_in(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
