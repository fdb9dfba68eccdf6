"""What the command line is given, and what it has done by its end: the console script's and a container's alike."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from tools.program import Message, every_stream

OTHER_TOKEN = "fedcba9876543210fedcba9876543210"
"""One that no server here accepts."""
NOBODY_THERE = "http://127.0.0.1:9/services/v5"
PROTOCOL = {"SPEC", "CONNECTION_STATUS", "CATALOG", "RECORD", "STATE", "TRACE", "LOG", "CONTROL"}
TERMINATED = 143
SECONDS_TO_END = 5
"""After SIGTERM."""


@dataclass(frozen=True)
class Ended:
    """A program that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def messages(self) -> list[Message]:
        return [orjson.loads(line) for line in self.stdout.splitlines()]

    def of_type(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def status(self) -> Message:
        """What check says."""
        (message,) = self.of_type("CONNECTION_STATUS")
        found: Message = message["connectionStatus"]
        return found

    @property
    def errors(self) -> list[Message]:
        return [message["trace"]["error"] for message in self.of_type("TRACE") if message["trace"]["type"] == "ERROR"]

    @property
    def last_statuses(self) -> dict[str, str]:
        """The last status of each stream, by its name."""
        traces = [message["trace"] for message in self.of_type("TRACE")]
        statuses = [trace["stream_status"] for trace in traces if trace["type"] == "STREAM_STATUS"]
        return {status["stream_descriptor"]["name"]: status["status"] for status in statuses}


def catalog_of(*streams: str) -> Message:
    """A configured catalog that names these streams."""
    modes = ["full_refresh"]
    return every_stream(
        {"streams": [{"name": name, "json_schema": {}, "supported_sync_modes": modes} for name in streams]}
    )
