"""Keeps the last state of each stream that read prints: `… read … | python -m tools.states FILE > MESSAGES`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import orjson

from tools.program import Message


class LastStates:
    """The last state of each stream among the messages so far."""

    def __init__(self) -> None:
        self._states: dict[str, Message] = {}

    def note(self, message: Message) -> None:
        if message["type"] == "STATE":
            state = message["state"]
            self._states[state["stream"]["stream_descriptor"]["name"]] = state

    def all(self) -> list[Message]:
        """What the next read takes as `--state`, once it is in a file."""
        return list(self._states.values())


def main(arguments: Sequence[str] | None, lines: Iterable[bytes], out: BinaryIO) -> int:
    """Pass the messages on, one line each; the file has the states of those that have been passed on so far."""
    parser = argparse.ArgumentParser(prog="python -m tools.states", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="what the next read takes as its --state")
    file: Path = parser.parse_args(arguments).file
    states = LastStates()
    for line in lines:
        out.write(line)
        message = orjson.loads(line)
        if message["type"] == "STATE":
            out.flush()
            states.note(message)
            file.write_bytes(orjson.dumps(states.all()))
    return 0


if __name__ == "__main__":
    sys.exit(main(None, sys.stdin.buffer, sys.stdout.buffer))
