"""The command line: spec, check, discover, read."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, ConnectorSpecification, FailureType
from airbyte_cdk.utils import AirbyteTracedException
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets

from source_pivotal_tracker.source import SourcePivotalTracker, configured

FILES = ("config", "catalog", "state")


class Entrypoint(AirbyteEntrypoint):
    """The cdk's entrypoint, with this connector's sentences on a bad configuration."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        configured(config)


def run(args: list[str] | None = None) -> None:
    """Run one verb, as `source-pivotal-tracker VERB --config FILE …` says, and write its messages to stdout.

    Ends with exit code 1 where something was not done. What the user can mend is told in one message, without a trace.
    """
    init_uncaught_exception_handler(logging.getLogger("airbyte"))
    entrypoint = Entrypoint(SourcePivotalTracker())
    parsed = entrypoint.parse_args(sys.argv[1:] if args is None else args)
    if parsed.command is None:
        entrypoint.parse_args(["--help"])
    try:
        for file in FILES:
            _require_json(file, getattr(parsed, file, None))
        with PRINT_BUFFER:
            for message in entrypoint.run(parsed):
                print(f"{message}\n", end="")  # noqa: T201
    except AirbyteTracedException as error:
        if error.failure_type != FailureType.config_error:
            raise
        print(_without_trace(error.as_airbyte_message()))  # noqa: T201
        sys.exit(1)


def _require_json(file: str, path: str | None) -> None:
    if path is None:
        return
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError as error:
        problem = f"is not JSON: {error}"
    else:
        if file == "state" or isinstance(content, dict):
            return
        problem = "does not hold a JSON object"
    raise AirbyteTracedException(
        message=f"The {file} file {path} {problem}.", failure_type=FailureType.config_error
    ) from None


def _without_trace(message: AirbyteMessage) -> str:
    if message.trace and message.trace.error:
        message.trace.error = dataclasses.replace(message.trace.error, stack_trace=None)
    return filter_secrets(orjson.dumps(AirbyteMessageSerializer.dump(message)).decode())
