"""The images of the manifest-only connectors, run as Airbyte's platform does: the four verbs, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
import orjson
import pytest
import yaml

from integration_tests.command_line import PROTOCOL, Ended
from integration_tests.containers import Image, files_in
from tools import manifest_image, persistiq_demo, rocketlane_demo
from tools.image import MEGABYTE, NotReady, engine
from tools.manifest_demo import Account, compared
from tools.manifest_image import FILES, metadata
from tools.program import MANIFEST_CONNECTORS, Message, every_stream
from tools.replica import create, merge, rows_file

pytestmark = pytest.mark.image_tests

ACCOUNTS: dict[str, Callable[[], Account]] = {
    rocketlane_demo.CONNECTOR: rocketlane_demo.account,
    persistiq_demo.CONNECTOR: persistiq_demo.account,
}
SOMEBODY = "12345:54321"
"""A user and a group that the image does not know."""
HOME = PurePosixPath("/airbyte/integration_code/source_declarative_manifest")


@pytest.fixture(scope="module", params=ACCOUNTS)
def connector(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(connector: str) -> Iterator[Image]:
    """The image of a connector, built by now. Without an engine or a base image its tests are skipped."""
    try:
        with engine() as client:
            yield Image(client, manifest_image.build(client, connector).image)
    except NotReady as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="module")
def account(connector: str) -> Account:
    return ACCOUNTS[connector]()


@pytest.fixture(scope="module")
def config(account: Account) -> Iterator[Message]:
    """The configuration for the account, which is served meanwhile; nobody edits it."""
    with account.server as server:
        yield {"api_url": server.url + account.path, "api_key": account.api_key, **account.settings}


@pytest.fixture(scope="module")
def discovered(image: Image, config: Message, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    files = tmp_path_factory.mktemp("config")
    return image.run("discover", *files_in(files, config=config), files=files)


@pytest.fixture(scope="module")
def manifest(connector: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text_of(connector, "manifest.yaml"))
    return found


def text_of(connector: str, file: str) -> str:
    return (MANIFEST_CONNECTORS / connector / file).read_text(encoding="utf-8")


def assert_speaks_the_protocol(ended: Ended, key: str) -> None:
    assert (ended.exit_code, ended.stderr, ended.errors) == (0, "", [])
    assert {message["type"] for message in ended.messages} <= PROTOCOL
    assert key not in ended.stdout


def test_spec_prints_the_settings_of_the_connector(image: Image, account: Account, manifest: dict[str, Any]) -> None:
    ended = image.run("spec")
    assert_speaks_the_protocol(ended, account.api_key)
    (message,) = ended.of_type("SPEC")
    assert message["spec"]["connectionSpecification"] == manifest["spec"]["connection_specification"]


def test_check_accepts_the_right_key(image: Image, config: Message, tmp_path: Path) -> None:
    ended = image.run("check", *files_in(tmp_path, config=config), files=tmp_path)
    assert_speaks_the_protocol(ended, config["api_key"])
    assert ended.status["status"] == "SUCCEEDED"


def test_discover_prints_every_stream_of_the_manifest_with_its_schema(
    discovered: Ended, account: Account, manifest: dict[str, Any]
) -> None:
    assert_speaks_the_protocol(discovered, account.api_key)
    streams = catalog_of(discovered)["streams"]
    assert {stream["name"] for stream in streams} == manifest["schemas"].keys()
    assert all(
        stream["json_schema"]["properties"].keys() >= {column for (column,) in stream["source_defined_primary_key"]}
        for stream in streams
    )


def test_read_brings_every_row_that_the_server_holds(
    image: Image, discovered: Ended, account: Account, config: Message, tmp_path: Path
) -> None:
    catalog = catalog_of(discovered)
    files = files_in(tmp_path / "config", config=config, catalog=every_stream(catalog, incremental=True), state=[])
    ended = image.run("read", *files, files=tmp_path / "config")
    assert_speaks_the_protocol(ended, account.api_key)
    assert set(ended.last_statuses.values()) == {"COMPLETE"}
    assert_tables_equal_the_server(ended, catalog, account, tmp_path)


def catalog_of(ended: Ended) -> Message:
    (message,) = ended.of_type("CATALOG")
    found: Message = message["catalog"]
    return found


def assert_tables_equal_the_server(ended: Ended, catalog: Message, account: Account, folder: Path) -> None:
    """Load the rows of a read and compare them with those of the server. Raises ProgramFailed where they differ."""
    lines: dict[str, bytes] = {stream["name"]: b"" for stream in catalog["streams"]}
    for message in ended.of_type("RECORD"):
        row = message["record"]["data"]
        lines[message["record"]["stream"]] += orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    for name, rows in lines.items():
        rows_file(folder, name).write_bytes(rows)
    database = folder / "read.duckdb"
    create(catalog, database)
    merge(catalog, folder, database)
    with duckdb.connect(str(database), read_only=True) as connection:
        compared(catalog, account.held, {}, connection)


def test_its_files_are_where_the_base_image_looks_for_them_for_any_user_and_nothing_else_of_its_folder(
    image: Image, connector: str
) -> None:
    script = f"cd {HOME} && cat {' '.join(FILES)} && ls -A . .."
    ended = image.run("-c", script, entrypoint="sh", user=SOMEBODY)
    contents = "".join(text_of(connector, file) for file in FILES)
    assert ended.stdout.startswith(contents)
    there = set(ended.stdout.removeprefix(contents).split())
    assert set(FILES) <= there
    assert there.isdisjoint({path.name for path in (MANIFEST_CONNECTORS / connector).iterdir()} - set(FILES))


def test_it_does_not_run_as_root(image: Image) -> None:
    user, _, group = image.client.images.get(image.name).attrs["Config"]["User"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    ended = image.run("-c", "id -u; id -g", entrypoint="sh")
    assert ended.stdout.split() == [user, group]


def test_its_entrypoint_is_that_of_the_base_image_by_airbytes_own_name_too(image: Image) -> None:
    config = image.client.images.get(image.name).attrs["Config"]
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    assert environment["AIRBYTE_ENTRYPOINT"] == " ".join(config["Entrypoint"])
    assert "AIRBYTE_ENABLE_UNSAFE_CODE" not in environment  # What is in the image is trusted without.


def test_its_labels_say_what_its_metadata_says(image: Image, connector: str) -> None:
    labels = image.client.images.get(image.name).labels
    assert labels["io.airbyte.name"] == metadata(connector)["dockerRepository"]
    assert labels["io.airbyte.version"] == metadata(connector)["dockerImageTag"]


def test_it_adds_less_than_a_megabyte_to_its_base_image(image: Image) -> None:
    sizes = [layer["Size"] for layer in image.client.images.get(image.name).history()]
    added = next(size for size in sizes if size)
    assert 0 < added < MEGABYTE
