"""Syncs the sample server of a manifest-only connector into a database, twice, and shows what came."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import duckdb
import yaml
from airbyte_cdk.sources.declarative.interpolation.interpolated_string import InterpolatedString
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import ManifestComponentTransformer
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from rich.console import Console

from tools.program import MANIFEST_CONNECTORS, Message, ProgramFailed, is_incremental, manifest_connector
from tools.replica import differences
from tools.show import show_query, show_way_in, summary
from tools.source import Request, Source
from tools.sync import sync_twice

CAPTION = "A request counts for the stream whose path it has, also where it is made for the sake of another."


class Server(Protocol):
    """A sample server that runs: its address without a path, and the requests that it has answered."""

    @property
    def url(self) -> str: ...

    @property
    def log(self) -> Sequence[Request]: ...


@dataclass(frozen=True)
class Account:
    """A sample account, and what a demo of its connector says of it.

    `what` describes it; `path` is where the API is on the server, and `settings` are those of the connector besides
    address and key. `edit` does what a team does between two syncs, and says what. `deleted` counts the rows that it
    takes out of lists which are asked for changes only: these do not tell of it, so the rows stay in the tables. `held`
    has the rows of a stream as they are on the server now. The rows of `query` are labels with figures, of which
    `title` says what they are.
    """

    connector: str
    what: str
    server: AbstractContextManager[Server]
    path: str
    api_key: str
    settings: Message
    edit: Callable[[], str]
    deleted: Mapping[str, int]
    held: Callable[[str], list[Message]]
    query: str
    title: str


def demo(console: Console, database: Path, account: Account) -> None:
    """Run the four verbs against the server of an account, edit it, read what changed, and show both reads."""
    console.print(
        f"Starts a server with {account.what}, runs spec, check, discover and read of {account.connector} against it,\n"
        f"and loads every row into {database}. Then the account is edited, and a second read brings what changed.\n"
        "It takes about twenty seconds.\n",
        soft_wrap=True,
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(account.server)
        address = server.url + account.path
        console.print(f"The server listens on {address}", soft_wrap=True)
        config = {"api_url": address, "api_key": account.api_key, **account.settings}
        source = Source(partial(manifest_connector, account.connector), folder, config, server.log)
        catalog, first, second = sync_twice(console, source, database, account.edit)
    console.print()
    console.print(summary(first, second, request_patterns(account.connector, address), CAPTION))
    with duckdb.connect(str(database), read_only=True) as connection:
        console.print(f"\n{compared(catalog, account.held, account.deleted, connection)}", soft_wrap=True)
        show_query(console, account.query, account.title, connection.sql(account.query).fetchall())
    show_way_in(console, database, first.reads[0].name)


def compared(
    catalog: Message,
    held: Callable[[str], list[Message]],
    deleted: Mapping[str, int],
    connection: duckdb.DuckDBPyConnection,
) -> str:
    """Say that the tables hold the rows of the server, and so many `deleted` ones where nothing tells of a deletion.

    Raises ProgramFailed if they hold anything else.
    """
    rows = 0
    kept, problems = [], []
    for stream in catalog["streams"]:
        name, there = stream["name"], held(stream["name"])
        found = differences(stream, there, connection)
        wanted = deleted.get(name, 0) if is_incremental(stream) else 0
        if found.unknown:
            problems.append(f"The table {name} has no column {', '.join(sorted(found.unknown))}.")
        if found.missing or found.beyond != wanted:
            problems.append(
                f"{name}: the table lacks {found.missing} rows of the server, and has {found.beyond} that are not "
                f"there, in place of {wanted}."
            )
        rows += len(there)
        kept += [f"{name} ({found.beyond})"] if found.beyond else []
    if problems:
        raise ProgramFailed("\n".join(["The tables differ from the server.", *problems]))
    verdict = f"The tables hold the {rows:,} rows that the server holds now, each as it is there."
    if not kept:
        return verdict
    return (
        f"{verdict}\nA list of changes does not tell of deletions, so rows that are deleted on the server stay in the "
        f"tables: {', '.join(kept)}."
    )


def request_patterns(connector: str, address: str) -> dict[str, re.Pattern[str]]:
    """For each stream of a manifest the paths of the requests that bring its rows, of an API at this address."""
    manifest = yaml.safe_load((MANIFEST_CONNECTORS / connector / "manifest.yaml").read_text(encoding="utf-8"))
    resolved = ManifestReferenceResolver().preprocess_manifest(manifest)
    whole = ManifestComponentTransformer().propagate_types_and_parameters("", resolved, {})
    config = {"api_url": address}
    return {stream["name"]: _path_pattern(stream["retriever"]["requester"], config) for stream in _streams(whole)}


def _streams(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The streams, those among them too that are there under a condition only."""
    for stream in manifest["streams"]:
        yield from stream["streams"] if stream["type"] == "ConditionalStreams" else [stream]


class _AnyParent(dict[str, str]):
    """A part of a stream of which nobody has said whose it is: every id that it is asked for is `ANY`."""

    ANY = "any-parent"

    def __missing__(self, _: str) -> str:
        return self.ANY


def _path_pattern(requester: Mapping[str, Any], config: Message) -> re.Pattern[str]:
    template = requester.get("url") or f"{requester['url_base'].rstrip('/')}/{requester['path'].lstrip('/')}"
    url = InterpolatedString.create(template, parameters=requester.get("$parameters", {}))
    path = urlsplit(str(url.eval(config, stream_slice=_AnyParent()))).path
    return re.compile("[^/]+".join(map(re.escape, path.split(_AnyParent.ANY))))
