"""Runs a manifest-only connector as its users do, by the cdk's own program. All connectors here have the same file.

Each run is a process of its own, forked from one that has the cdk loaded, because loading it takes longer than a run.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

Message = dict[str, Any]
Row = dict[str, Any]

PROGRAM = "source-declarative-manifest"
TIMEOUT_SECONDS = 600
LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(["airbyte_cdk.cli.source_declarative_manifest", "jsonschema"])


@dataclass(frozen=True)
class Ran:
    """A run that has ended: its exit code, its messages in their order, and all that it printed."""

    exit_code: int
    messages: list[Message]
    printed: str

    def rows(self, stream: str) -> list[Row]:
        return [
            message["record"]["data"]
            for message in self.messages
            if message["type"] == "RECORD" and message["record"]["stream"] == stream
        ]

    @property
    def counts(self) -> Counter[str]:
        """How many rows came, by stream."""
        return Counter(message["record"]["stream"] for message in self.messages if message["type"] == "RECORD")

    @property
    def states(self) -> list[Message]:
        """The last state of each stream, as the next read takes them."""
        last = {
            message["state"]["stream"]["stream_descriptor"]["name"]: message["state"]
            for message in self.messages
            if message["type"] == "STATE"
        }
        return list(last.values())

    def state(self, stream: str) -> Message:
        found = {state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"] for state in self.states}
        state: Message = found[stream]
        return state

    @property
    def ends(self) -> dict[str, str]:
        """How each stream ended: COMPLETE or INCOMPLETE."""
        statuses = [
            message["trace"]["stream_status"]
            for message in self.messages
            if message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS"
        ]
        return {
            status["stream_descriptor"]["name"]: status["status"]
            for status in statuses
            if status["status"] in ("COMPLETE", "INCOMPLETE")
        }

    @property
    def errors(self) -> dict[str, list[str]]:
        """The sentences of each stream that failed."""
        found: dict[str, list[str]] = {}
        for message in self.messages:
            if message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
                error = message["trace"]["error"]
                name = (error.get("stream_descriptor") or {}).get("name", "")
                found.setdefault(name, []).append(error["message"])
        return found

    def log(self, level: str) -> list[str]:
        return [
            message["log"]["message"]
            for message in self.messages
            if message["type"] == "LOG" and message["log"]["level"] == level
        ]

    @property
    def status(self) -> Message:
        """What check says."""
        (status,) = [message["connectionStatus"] for message in self.messages if message["type"] == "CONNECTION_STATUS"]
        found: Message = status
        return found


_CATALOGS: dict[object, Message] = {}


@dataclass(frozen=True)
class Connector:
    """The connector in `folder`; `scratch` is where the files go that it is given.

    With another `manifest`, that one runs, without the connector's own code and without the leave to run any.
    """

    folder: Path
    scratch: Path
    manifest: Path | None = None

    def run(self, verb: str, **files: Any) -> Ran:
        """Run a verb with its files: `config=`, `catalog=`, `state=`."""
        command: list[str | Path] = [PROGRAM, verb, "--manifest-path", self.manifest or self.folder / "manifest.yaml"]
        code: dict[str, str] = {}
        if self.manifest is None:
            command += ["--components-path", self.folder / "components.py"]
            code = {"AIRBYTE_ENABLE_UNSAFE_CODE": "true"}
        for name, content in files.items():
            path = self.scratch / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            command += [f"--{name}", path]
        environment = {name: value for name, value in os.environ.items() if name != "AIRBYTE_ENABLE_UNSAFE_CODE"} | code
        process = LOADED.Process(target=run_program, args=([str(part) for part in command], environment, self.scratch))
        process.start()
        process.join(TIMEOUT_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{verb} has not ended in {TIMEOUT_SECONDS} seconds.")
        stdout, stderr = ((self.scratch / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
        messages = [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
        return Ran(process.exitcode, messages, stdout + stderr)

    def catalog(self, config: Mapping[str, Any]) -> Message:
        """What discover offers, asked once for each set of switches: they alone change what is offered."""
        switches = {name: value for name, value in config.items() if isinstance(value, bool)}
        key = (self.folder, self.manifest, frozenset(switches.items()))
        if key not in _CATALOGS:
            messages = self.run("discover", config={"api_key": "any-key-will-do"} | switches).messages
            (_CATALOGS[key],) = [message["catalog"] for message in messages if "catalog" in message]
        return _CATALOGS[key]

    def read(
        self,
        config: Mapping[str, Any],
        streams: Iterable[str] | None = None,
        state: list[Message] | None = None,
        *,
        incremental: bool = True,
    ) -> Ran:
        """Read these streams, or all: what changed since the state, where a stream offers that."""
        wanted = None if streams is None else set(streams)
        chosen = [stream for stream in self.catalog(config)["streams"] if wanted is None or stream["name"] in wanted]
        assert wanted is None or {stream["name"] for stream in chosen} == wanted
        catalog = {"streams": [_configured(stream, incremental) for stream in chosen]}
        return self.run("read", config=config, catalog=catalog, state=state or [])


def run_program(command: list[str], environment: Mapping[str, str], output: Path) -> None:
    """What the program does with its command line, in this process; stdout and stderr go to files of these names."""
    from airbyte_cdk.cli.source_declarative_manifest import run

    for descriptor, name in enumerate(("stdout", "stderr"), 1):
        with (output / name).open("wb") as file:
            os.dup2(file.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    try:
        run()
    except Exception:
        # Where the program ends so, this hook of the cdk writes the last message.
        sys.excepthook(*sys.exc_info())
        sys.exit(1)


def _configured(stream: Message, incremental: bool) -> Message:
    if incremental and "incremental" in stream["supported_sync_modes"]:
        return {"stream": stream, "sync_mode": "incremental", "destination_sync_mode": "append_dedup"}
    return {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}


def merged(stream: Message, *reads: Ran) -> dict[Any, Row]:
    """The table that a destination has after these reads: the last row of each key."""
    ((key,),) = stream["source_defined_primary_key"]
    return {row[key]: row for read in reads for row in read.rows(stream["name"])}


def violations(schema: Message, rows: Iterable[Row]) -> list[str]:
    """What of the rows is not as the schema says, or not in it at all, at any depth."""
    validator = Draft7Validator(_closed(schema))
    return [f"{error.json_path}: {error.message}" for row in rows for error in validator.iter_errors(row)]


def _closed(schema: Any) -> Any:
    """The schema with no unknown attribute permitted where it names some, unless it says that it is open there."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict) and "type" in schema:
        is_root = "$schema" in schema
        closed["additionalProperties"] = False if is_root else schema.get("additionalProperties", False)
    return closed
