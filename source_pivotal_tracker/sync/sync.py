"""From a catalog and the last state to the messages of a whole sync."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import partial
from threading import Thread
from typing import Any, TypeVar

import orjson
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    SyncMode,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import FatalError, IncompleteError, SourceUnavailable, TrackerError, stopped_by
from source_pivotal_tracker.attachments.attachments import FILES, Attachments
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import ParentKind, Partition
from source_pivotal_tracker.streams.parents import Parents
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync import messages
from source_pivotal_tracker.sync.engine import STATE_SECONDS, Engine
from source_pivotal_tracker.sync.messages import Encoded, Encoder
from source_pivotal_tracker.sync.options import ReadOptions
from source_pivotal_tracker.sync.plan import Selected, plan
from source_pivotal_tracker.sync.state import NEUTRAL, StreamState
from source_pivotal_tracker.sync.statuses import Statuses
from source_pivotal_tracker.sync.workers import Workers

logger = logging.getLogger("airbyte.tracker")

Loaded = TypeVar("Loaded")


class Sync:
    """One sync of the streams that a catalog names."""

    def __init__(
        self,
        streams: Sequence[TrackerStream],
        client: TrackerClient,
        parents: Parents,
        options: ReadOptions,
        attachments: Attachments | None = None,
    ) -> None:
        self._attachments = attachments
        self._streams = {stream.name: stream for stream in streams}
        self._client = client
        self._statuses = Statuses(client)
        self._parents = parents
        self._options = options
        self._engine: Engine[Any] | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """Make `run` yield the last states and end, soon. Safe to call in a signal handler."""
        self._is_stopped = True
        if self._engine:
            self._engine.stop()

    @property
    def skipped(self) -> Mapping[str, Collection[str]]:
        """As that of the engine, with the projects that the server does not show."""
        refused = {"projects": self._parents.refused} if self._parents.refused else {}
        return {**(self._engine.skipped if self._engine else {}), **refused}

    def run(
        self,
        catalog: ConfiguredAirbyteCatalog,
        state: Sequence[AirbyteStateMessage] | None,
        encode: Encoder[Encoded],
    ) -> Iterator[AirbyteMessage | Encoded]:
        """Messages, and the records of a page as the encoder made them, in the order in which to write them.

        Raises AirbyteTracedException after the last message if a stream is incomplete.
        """
        try:
            yield from self._run(catalog, state, encode)
        finally:
            self._client.close()

    def _run(
        self,
        catalog: ConfiguredAirbyteCatalog,
        state: Sequence[AirbyteStateMessage] | None,
        encode: Encoder[Encoded],
    ) -> Iterator[AirbyteMessage | Encoded]:
        selected, failed = self._selected(catalog, state)
        loads = {ParentKind.PROJECT: self._parents.load_projects, ParentKind.ACCOUNT: self._parents.load_accounts}
        for kind, load in loads.items():
            lists = [chosen for chosen in selected if chosen.stream.provides_parent is kind]
            needing = [chosen for chosen in selected if chosen not in lists and _asks_for(kind, chosen)]
            if not lists and not needing:
                continue
            fields = [chosen.stream.wanted_fields() for chosen in lists]
            try:
                rows = yield from self._awaited(
                    partial(load, *fields), [chosen.stream.name for chosen in [*lists, *needing]]
                )
            except FatalError as error:
                yield from self._statuses.broken_off()
                raise stopped_by(error) from None
            except TrackerError as error:
                failed |= {chosen.stream.name: error for chosen in [*lists, *needing]}
                continue
            if rows is None:
                yield from self._statuses.broken_off()
                return
            lacking = self._lacking() if kind is ParentKind.PROJECT else None
            for chosen in lists:
                yield from self._read_at_once(chosen, rows, encode, failed, lacking)
        selected = [
            chosen for chosen in selected if not chosen.stream.provides_parent and chosen.stream.name not in failed
        ]
        needed = {kind for kind in loads for chosen in selected if _asks_for(kind, chosen)}
        projects = self._parents.projects() if ParentKind.PROJECT in needed else ()
        accounts = self._parents.accounts() if ParentKind.ACCOUNT in needed else ()
        planned = plan(selected, projects, accounts, self._options.sweeps)
        self._warn_of_gone(planned.gone)
        replicated_projects = {project.id for project in projects} | planned.gone
        states = {chosen.stream.name: chosen.state for chosen in selected}
        attachments = self._attachments if FILES in states else None
        workers = Workers(
            planned, self._client, encode, self._options,
            replicated_projects=replicated_projects, attachments=attachments,
        )  # fmt: skip
        lacking = self._lacking()
        incomplete = {
            chosen.stream.name: lacking for chosen in selected if lacking and _asks_for(ParentKind.PROJECT, chosen)
        }
        self._engine = Engine(
            planned,
            states,
            failed,
            incomplete,
            workers,
            self._client,
            self._statuses,
            self._options,
        )
        if self._is_stopped:
            self._engine.stop()
        try:
            yield from self._engine.run()
        finally:
            if attachments:
                logger.info("Files: %s", attachments)

    def _warn_of_gone(self, gone: Set[int]) -> None:
        """Say why the rows of projects stay that are not read any more."""
        named = self._parents.project_ids
        left_out = gone - set(named) if named else set()
        for words, projects in (
            ("The server no longer shows some projects of the state", gone - left_out),
            ("project_ids no longer has some projects of the state", left_out),
        ):
            if projects:
                ids = ", ".join(map(str, sorted(projects)))
                logger.warning("%s, so their rows stay as they are: projects %s", words, ids)

    def _lacking(self) -> TrackerError | None:
        """The error for the projects that the source cannot show, though they are there: the others are read."""
        failures = self._client.completeness.failures
        return SourceUnavailable(" ".join(failures)) if failures else None

    def _awaited(
        self, load: Callable[[], Loaded], names: Sequence[str]
    ) -> Generator[AirbyteMessage, None, Loaded | None]:
        """What `load` returns or raises, for which these streams wait; None where the sync is stopped before."""
        loaded: Future[Loaded] = Future()
        Thread(target=_fulfil, args=(loaded, load), name="lists", daemon=True).start()
        while not self._is_stopped:
            if wait([loaded], STATE_SECONDS).done:
                return loaded.result()
            yield from self._statuses.waiting(names)
        return None

    def _read_at_once(
        self,
        chosen: Selected,
        rows: Sequence[Row],
        encode: Encoder[Encoded],
        failed: dict[str, TrackerError],
        lacking: TrackerError | None,
    ) -> Iterator[Any]:
        """A stream whose rows are the list of projects or of accounts, which the sync has fetched for itself.

        The engine ends one that is `failed`, as it is if rows are `lacking` or cannot be written.
        """
        name = chosen.stream.name
        records = [
            record for row in rows for record in chosen.stream.records(dict(row), Partition(chosen.stream.endpoints[0]))
        ]
        yield from self._statuses.started(name)
        yield from self._statuses.came(name, rows=len(records))
        if records:
            try:
                encoded = encode(name, records)
            except orjson.JSONEncodeError as error:
                failed[name] = messages.unwritable(error, chosen.stream.endpoints[0].name)
                return
            yield encoded
        yield messages.state(name, NEUTRAL, len(records))
        if lacking:
            failed[name] = lacking
        else:
            yield self._statuses.ended(name, is_complete=True)

    def _selected(
        self, catalog: ConfiguredAirbyteCatalog, state: Sequence[AirbyteStateMessage] | None
    ) -> tuple[list[Selected], dict[str, TrackerError]]:
        """Returns the streams of the catalog, without repeats, and by name the errors of those that are no streams."""
        given = ConnectorStateManager(_of_streams(state or ()))
        selected: dict[str, Selected] = {}
        failed: dict[str, TrackerError] = {}
        for configured in catalog.streams:
            name = configured.stream.name
            stream = self._streams.get(name)
            if stream is None:
                failed[name] = IncompleteError("the connector has no such stream: refresh the schema of the connection")
            elif name not in selected:
                names = [endpoint.name for endpoint in stream.endpoints]
                full_refresh = configured.sync_mode == SyncMode.full_refresh or not stream.cursor_field
                blob = given.get_stream_state(name, configured.stream.namespace or None)
                known = StreamState(name, names, full_refresh=full_refresh, given=blob, start=stream.start)
                selected[name] = Selected(stream, known)
        return list(selected.values()), failed


def _of_streams(state: Sequence[AirbyteStateMessage]) -> list[AirbyteStateMessage]:
    """The messages that hold the state of a stream: this connector makes no others."""
    of_streams = [message for message in state if message.stream]
    if len(of_streams) < len(state):
        logger.warning(
            "Ignoring a state that is not of one stream, because this connector writes none: its streams are read from "
            "the start"
        )
    return [_without_empty_namespace(message) for message in of_streams]


def _without_empty_namespace(state: AirbyteStateMessage) -> AirbyteStateMessage:
    """Some programs write a namespace that there is not as an empty text, by which the cdk would not find the state."""
    stream = state.stream
    if stream is None or stream.stream_descriptor.namespace != "":
        return state
    descriptor = replace(stream.stream_descriptor, namespace=None)
    return replace(state, stream=replace(stream, stream_descriptor=descriptor))


def _asks_for(kind: ParentKind, chosen: Selected) -> bool:
    return any(endpoint.parent is kind for endpoint in chosen.stream.endpoints)


def _fulfil(promise: Future[Loaded], load: Callable[[], Loaded]) -> None:
    try:
        promise.set_result(load())
    except BaseException as error:
        promise.set_exception(error)
