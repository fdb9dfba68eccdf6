"""The files of configuration, catalog and state: each is read once, because a pipe can be read once only."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.wiring import configuration_error

DEEPEST = 200
"""Levels of objects and lists in each other; no file of Airbyte's has more than some."""

_read_ahead: dict[str, Any] = {}


def read_ahead(file: str, path: str) -> None:
    """Read the `file` (config, catalog or state) at `path`, for its use later.

    Raises the cdk's config error, in one sentence, for a file that holds no JSON: the cdk would answer with a trace.
    """
    try:
        # Some editors put a byte order mark before UTF-8.
        with open(path, encoding="utf-8-sig") as stream:
            content = json.load(stream)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError as error:
        problem = f"is not JSON: {error}"
    except RecursionError:
        problem = "is nested too deeply"
    else:
        if _is_too_deep(content):
            problem = "is nested too deeply"
        elif file == "state" or isinstance(content, dict):
            _read_ahead[path] = content
            return
        else:
            problem = "does not hold a JSON object"
    raise configuration_error(f"The {file} file {path} {problem}.")


def config_in(path: str) -> MutableMapping[str, Any]:
    """The configuration in a file. Raises the cdk's config error."""
    config: MutableMapping[str, Any] = _content_of("config", path)
    return config


def catalog_in(path: str) -> ConfiguredAirbyteCatalog:
    """The configured catalog in a file. Raises the cdk's config error."""
    content = _content_of("catalog", path)
    try:
        return ConfiguredAirbyteCatalogSerializer.load(content)
    except Exception as error:
        raise _unusable("catalog", path, "a configured Airbyte catalog", error) from None


def states_in(path: str) -> list[AirbyteStateMessage]:
    """The states in a file. Raises the cdk's config error."""
    content = _content_of("state", path)
    try:
        states = [AirbyteStateMessageSerializer.load(state) for state in content or ()]
        if not all(state.stream or state.data or state.global_ for state in states):
            raise ValueError("empty")
    except Exception as error:
        raise _unusable("state", path, "a list of Airbyte state messages", error) from None
    return states


def _unusable(file: str, path: str, wanted: str, error: Exception) -> AirbyteTracedException:
    return configuration_error(f"The {file} file {path} does not hold {wanted}.", repr(error))


def _content_of(file: str, path: str) -> Any:
    """The JSON in a file, which is read now unless it was read ahead. Raises what `read_ahead` raises."""
    if path not in _read_ahead:
        read_ahead(file, path)
    return _read_ahead.pop(path)


def _is_too_deep(content: Any) -> bool:
    level = [content]
    for _ in range(DEEPEST):
        nested = [node for node in level if isinstance(node, dict | list)]
        level = [inner for node in nested for inner in (node.values() if isinstance(node, dict) else node)]
        if not level:
            return False
    return True
