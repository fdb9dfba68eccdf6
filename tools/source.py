"""A connector beside the server that it reads, and its first three verbs, each told in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console

from tools.program import Message, Program, ProgramFailed, only


class Request(Protocol):
    """A request that a sample server has answered, as it keeps it."""

    @property
    def path(self) -> str: ...


class Start(Protocol):
    """Makes the program of a verb, such as `tools.program.connector`."""

    def __call__(self, verb: str, folder: Path, **files: Message | list[Message]) -> Program: ...


@dataclass(frozen=True)
class Source:
    """How a connector is run, the folder for its files, its configuration, and what its server was asked so far."""

    start: Start
    folder: Path
    config: Message
    log: Sequence[Request]

    def program(self, verb: str, **files: Message | list[Message]) -> Program:
        """The program of a verb, which is yet to start."""
        return self.start(verb, self.folder, **files)


def run_spec(console: Console, source: Source) -> None:
    """Count the settings of the connector."""
    with source.program("spec") as program:
        form = only(program, "SPEC")["connectionSpecification"]
    tell(console, "spec", program, f"{len(form['properties'])} settings")


def run_check(console: Console, source: Source) -> None:
    """Say what `check` says. Raises ProgramFailed where that is no success."""
    with source.program("check", config=source.config) as program:
        outcome = only(program, "CONNECTION_STATUS")
    if outcome["status"] != "SUCCEEDED":
        raise ProgramFailed(f"{program} failed: {outcome['message']}")
    tell(console, "check", program, outcome.get("message") or "The server accepts the key.")


def run_discover(console: Console, source: Source) -> Message:
    """Count the streams; returns the catalog."""
    with source.program("discover", config=source.config) as program:
        catalog = only(program, "CATALOG")
    tell(console, "discover", program, f"{len(catalog['streams'])} streams")
    return catalog


def tell(console: Console, verb: str, program: Program, words: str) -> None:
    """What came of a verb, with the time that it took."""
    console.print(f"{verb:8} {program.seconds:4.1f} s  {words}", soft_wrap=True)
