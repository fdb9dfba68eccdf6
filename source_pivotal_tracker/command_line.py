"""The command line: spec, check, discover, read."""

from __future__ import annotations

import argparse
import codecs
import ctypes
import dataclasses
import gc
import locale
import logging
import os
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import PRINT_BUFFER, is_platform_debug_log_enabled
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, ConnectorSpecification
from airbyte_cdk.models import Type as MessageType
from airbyte_cdk.utils import AirbyteTracedException
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_pivotal_tracker.ending import Ending
from source_pivotal_tracker.files import read_ahead
from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.stdout import Unwritable, open_stdout
from source_pivotal_tracker.sync.messages import as_lines
from source_pivotal_tracker.wiring import parsed_config

FILES = ("config", "catalog", "state")
M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -8, -3, -1
"""The numbers of these options in glibc's malloc.h."""
HEAPS = 1
KEPT = 32 * 1024 * 1024
"""Bytes; the most that glibc takes for the one threshold."""


SHORTEST_SECRET = 4
"""Characters; no server gives out a shorter token."""
DISTRIBUTION = "tracker-connector"


class Entrypoint(AirbyteEntrypoint):
    """The cdk's entrypoint, with this connector's sentences on a bad configuration."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        parsed_config(config)

    @staticmethod
    def set_up_secret_filter(config: Mapping[str, Any], connection_specification: Mapping[str, Any]) -> None:
        """Hide what can be a secret: what stands in every message would leave no line that is one."""
        texts = {key: value for key, value in config.items() if isinstance(value, str)}
        hidden = {key: text for key, text in texts.items() if len(text) >= SHORTEST_SECRET}
        AirbyteEntrypoint.set_up_secret_filter(hidden, connection_specification)


def run(args: list[str] | None = None) -> None:
    """Run one verb, as `source-pivotal-tracker VERB --config FILE …` says, and write its messages to stdout.

    Ends with exit code 1 if something failed, and by SIGTERM or SIGINT if one has stopped it. One message says what
    went wrong, without a trace.
    """
    if args is None:
        _use_utf_8()
    ending = Ending()
    try:
        ending.listen(open_stdout())
        try:
            failed = _run(sys.argv[1:] if args is None else args, ending)
        finally:
            PRINT_BUFFER.flush()
    except Unwritable as error:
        ending.end()
        print(error, file=sys.__stderr__)
        # Not by way of Python's own end, which would try once more to write what is left.
        os._exit(1)
    ending.end()
    if failed:
        sys.exit(1)


def _usage() -> str:
    return files(__package__).joinpath("usage.txt").read_text("utf-8")


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def _run(args: list[str], ending: Ending) -> bool:
    """Returns whether it failed. The message about that is written by then."""
    # If a log line cannot be written, the next message fails too, and says so without a trace.
    logging.raiseExceptions = False
    init_uncaught_exception_handler(logging.getLogger("airbyte"))
    if not args or args[0] in ("-h", "--help", "--version"):
        print(f"{DISTRIBUTION} {_version()}\n" if args == ["--version"] else _usage(), end="")  # noqa: T201
        return False
    _keep_one_heap()
    # Rows hold no cycles: looking through them, and through all that was imported, finds nothing to collect.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    source = SourcePivotalTracker()
    entrypoint = Entrypoint(source)
    parsed = entrypoint.parse_args(args)
    try:
        for file in FILES:
            path = getattr(parsed, file, None)
            if path is not None:
                read_ahead(file, path)
        with PRINT_BUFFER:
            if parsed.command == "read":
                _read(source, entrypoint, parsed, ending)
            else:
                for line in entrypoint.run(parsed):
                    PRINT_BUFFER.write(f"{line}\n")
    except AirbyteTracedException as error:
        print(_without_trace(error.as_airbyte_message()))  # noqa: T201
        return True
    return False


def _keep_one_heap() -> None:
    """Make glibc's malloc use one heap for all threads, because a heap of each thread would keep room for a page.

    Freed memory stays in the heap for the next page: returning it and asking the kernel for it again takes a tenth of
    the time of a sync. Other C libraries have no such options and are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, HEAPS)
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)
    except (AttributeError, OSError, TypeError):
        logging.getLogger("airbyte").debug("no mallopt in this C library")


def _read(source: SourcePivotalTracker, entrypoint: Entrypoint, parsed: argparse.Namespace, ending: Ending) -> None:
    """Read as the cdk's entrypoint does, but page by page: one message object per record costs more than the rest."""
    config = source.read_config(parsed.config)
    entrypoint.set_up_secret_filter(config, source.spec(entrypoint.logger).connectionSpecification)
    # `sync` does that too. Here it is for the order: an error in the configuration comes before one in the catalog.
    parsed_config(config)
    catalog, state = source.read_catalog(parsed.catalog), source.read_state(parsed.state)
    if parsed.debug or is_platform_debug_log_enabled():
        logging.getLogger().setLevel(logging.DEBUG)
    messages = source.sync(config, catalog, state, as_lines)
    ending.begin(source.stop)
    for output in messages:
        if isinstance(output, bytes):
            _write(output)
        else:
            PRINT_BUFFER.write(f"{entrypoint.airbyte_message_to_string(output)}\n")
            # The next message may take a while.
            if output.type in (MessageType.STATE, MessageType.TRACE):
                PRINT_BUFFER.flush()


def _write(lines: bytes) -> None:
    """Write to stdout after all that the cdk's buffer holds, past it: as text, a page would be four times as long."""
    with PRINT_BUFFER.lock:
        PRINT_BUFFER.flush()
        stdout = sys.__stdout__
        assert stdout is not None  # noqa: S101
        stdout.buffer.write(lines)


def _use_utf_8() -> None:
    """Restart in the same process if the locale has another encoding: Python reads file names in that encoding."""
    is_utf_8 = codecs.lookup(locale.getpreferredencoding(do_setlocale=False)).name == "utf-8"
    if not is_utf_8 and sys.platform != "win32":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def _without_trace(message: AirbyteMessage) -> str:
    if message.trace and message.trace.error:
        message.trace.error = dataclasses.replace(message.trace.error, stack_trace=None)
    return filter_secrets(orjson.dumps(AirbyteMessageSerializer.dump(message)).decode())
