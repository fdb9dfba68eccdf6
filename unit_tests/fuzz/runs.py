"""What a read says in this process, and the law that a fuzzer holds it to."""

from __future__ import annotations

import logging
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, AirbyteStateMessage, ConfiguredAirbyteCatalog
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.sync.messages import as_lines
from unit_tests.expected_keys import Key
from unit_tests.syncs import OF_A_SYNC, Row, key_of, unhurried

SECONDS_UNTIL_IT_HANGS = 60
FOR_PROGRAMMERS = re.compile(r"[A-Z][a-zA-Z]*(Error|Exception)\b|Traceback|Something went wrong|a bug in the connector")
"""What no message to a user may hold."""


@dataclass
class Outcome:
    """What a read of the `selected` streams printed and logged, and the words of its error; None if it succeeded."""

    selected: frozenset[str] = frozenset()
    messages: list[dict[str, Any]] = field(default_factory=list)
    logged: list[logging.LogRecord] = field(default_factory=list)
    failure: str | None = None
    hangs: bool = False

    @property
    def errors(self) -> list[str]:
        traces = [message["trace"] for message in self.messages if message["type"] == "TRACE"]
        return [trace["error"]["message"] for trace in traces if trace["type"] == "ERROR"]

    @property
    def incomplete(self) -> set[str]:
        last: dict[str, str] = {}
        for message in self.messages:
            if message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
                status = message["trace"]["stream_status"]
                last[status["stream_descriptor"]["name"]] = status["status"]
        return {name for name in self.selected if last.get(name) != "COMPLETE"}

    @property
    def states(self) -> list[dict[str, Any]]:
        last = {
            message["state"]["stream"]["stream_descriptor"]["name"]: message["state"]
            for message in self.messages
            if message["type"] == "STATE"
        }
        return list(last.values())

    @property
    def records(self) -> dict[str, list[Row]]:
        """The records that came, by stream."""
        found: dict[str, list[Row]] = defaultdict(list)
        for message in self.messages:
            if message["type"] == "RECORD":
                found[message["record"]["stream"]].append(message["record"]["data"])
        return found

    @property
    def keys(self) -> set[tuple[str, Key]]:
        """The records that came, as streams and keys."""
        return {(name, key_of(name, row)) for name, rows in self.records.items() for row in rows}

    @property
    def faults(self) -> list[str]:
        """What breaks the law: a trace, a sentence for programmers, a stream that is incomplete without an error."""
        words = [*self.errors, *([self.failure] if self.failure else [])]
        found = [f"a message for programmers: {text}" for text in words if FOR_PROGRAMMERS.search(text)]
        found += [f"a trace in the log: {record.getMessage()}" for record in self.logged if record.exc_info]
        if self.hangs:
            found.append("it hangs")
        if self.incomplete and self.failure is None:
            found.append(f"success without {sorted(self.incomplete)}")
        if self.failure is not None and not words[0].strip():
            found.append("an error without words")
        return found


def outcome(
    config: Mapping[str, Any], catalog: ConfiguredAirbyteCatalog, state: Iterable[AirbyteStateMessage] = ()
) -> Outcome:
    """What a read does, which is given up if it takes much longer than any can."""
    result = Outcome(frozenset(chosen.stream.name for chosen in catalog.streams))
    handler = _Kept(result.logged)
    logger = logging.getLogger("airbyte")
    logger.addHandler(handler)
    before = set(threading.enumerate())
    reading = threading.Thread(target=_read, args=(result, config, catalog, list(state)), daemon=True)
    try:
        reading.start()
        reading.join(SECONDS_UNTIL_IT_HANGS)
        result.hangs = reading.is_alive()
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith(OF_A_SYNC):
                thread.join(SECONDS_UNTIL_IT_HANGS)
    finally:
        logger.removeHandler(handler)
    return result


def _read(
    result: Outcome, config: Mapping[str, Any], catalog: ConfiguredAirbyteCatalog, state: list[AirbyteStateMessage]
) -> None:
    source = SourcePivotalTracker(unhurried)
    try:
        for output in source.sync(config, catalog, state, as_lines):
            if isinstance(output, AirbyteMessage):
                result.messages.append(orjson.loads(orjson.dumps(AirbyteMessageSerializer.dump(output))))
            else:
                result.messages += [orjson.loads(line) for line in output.splitlines()]
    except AirbyteTracedException as error:
        result.failure = error.message or ""
    except BaseException as error:
        result.failure = f"Traceback: {error!r}"


class _Kept(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)
