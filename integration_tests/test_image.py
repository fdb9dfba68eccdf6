"""The image, run as Airbyte's platform runs it: what it prints, how it ends, what it is allowed, and what is in it."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
import requests
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from integration_tests.command_line import (
    NOBODY_THERE,
    OTHER_TOKEN,
    PROTOCOL,
    SECONDS_TO_END,
    TERMINATED,
    Ended,
    catalog_of,
)
from integration_tests.containers import Image, all_rows, files_in, rows, streams_that_differ
from source_pivotal_tracker.streams import STREAMS
from tools import sbom
from tools.demo import edit
from tools.image import FOLDER, IMAGE, MEGABYTE, OURS, Inventory, look_into
from tools.program import Message, config_for, connector, every_stream, only, sample_server
from tools.replica import DELETED_AT
from tools.states import LastStates
from tracker_server.app import TrackerServer
from tracker_server.exports import write_export
from tracker_server.sample import SAMPLE_TOKEN, make_world

pytestmark = pytest.mark.image_tests

ROOT = Path(__file__).parents[1]
METADATA = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))["data"]
LIMIT = 25 * MEGABYTE
"""What the connector may add to the cdk and its dependencies."""
KILLED = 137
SOMEBODY = "12345:54321"
"""A user and a group that the image does not know."""

WAYS_TO_MOUNT = {"relative to the working directory": ("/config", ""), "by their full paths": ("/secrets", "/secrets/")}


@pytest.fixture(scope="module")
def server() -> Iterator[TrackerServer]:
    """Nobody edits what this one serves."""
    with TrackerServer(make_world(2, 120)) as running:
        yield running


def config_of(server: TrackerServer, **others: object) -> Message:
    return config_for(server.url, SAMPLE_TOKEN) | others


def everything(folder: Path, server: TrackerServer, *, incremental: bool = False) -> Message:
    """The configured catalog of all streams."""
    with connector("discover", folder, config=config_of(server)) as program:
        return every_stream(only(program, "CATALOG"), incremental=incremental)


def read_without_image(folder: Path, **files: Message | list[Message]) -> list[Message]:
    """The messages of the console script."""
    with connector("read", folder, **files) as program:
        return list(program.messages())


def states_of(messages: list[Message]) -> list[Message]:
    states = LastStates()
    for message in messages:
        states.note(message)
    return states.all()


def assert_speaks_the_protocol(ended: Ended) -> None:
    assert ended.stderr == ""
    assert {message["type"] for message in ended.messages} <= PROTOCOL


def test_spec_prints_what_the_console_script_prints(image: Image, tmp_path: Path) -> None:
    ended = image.run("spec")
    with connector("spec", tmp_path) as program:
        expected = only(program, "SPEC")
    assert_speaks_the_protocol(ended)
    assert (ended.exit_code, [message["spec"] for message in ended.of_type("SPEC")]) == (0, [expected])


@pytest.mark.parametrize(("at", "prefix"), WAYS_TO_MOUNT.values(), ids=WAYS_TO_MOUNT.keys())
def test_check_accepts_the_right_token(
    at: str, prefix: str, image: Image, server: TrackerServer, tmp_path: Path
) -> None:
    option, name = files_in(tmp_path, config=config_of(server))
    ended = image.run("check", option, f"{prefix}{name}", files=tmp_path, at=at)
    assert_speaks_the_protocol(ended)
    assert (ended.exit_code, ended.status["status"]) == (0, "SUCCEEDED")


def test_check_refuses_a_wrong_token_with_exit_code_0(image: Image, server: TrackerServer, tmp_path: Path) -> None:
    files = files_in(tmp_path, config=config_of(server, api_token=OTHER_TOKEN))
    ended = image.run("check", *files, files=tmp_path)
    assert_speaks_the_protocol(ended)
    assert (ended.exit_code, ended.status["status"]) == (0, "FAILED")
    assert ended.status["message"].startswith("api_token: ")
    assert OTHER_TOKEN not in ended.stdout


def test_check_says_that_a_server_cannot_be_reached_with_exit_code_0(image: Image, tmp_path: Path) -> None:
    files = files_in(tmp_path, config=config_for(NOBODY_THERE, OTHER_TOKEN))
    ended = image.run("check", *files, files=tmp_path)
    assert_speaks_the_protocol(ended)
    assert (ended.exit_code, ended.status["status"]) == (0, "FAILED")
    assert "Connection refused" in ended.status["message"]


def test_discover_prints_what_the_console_script_prints(image: Image, server: TrackerServer, tmp_path: Path) -> None:
    files = files_in(tmp_path / "config", config=config_of(server))
    ended = image.run("discover", *files, files=tmp_path / "config")
    with connector("discover", tmp_path, config=config_of(server)) as program:
        expected = only(program, "CATALOG")
    assert_speaks_the_protocol(ended)
    assert (ended.exit_code, [message["catalog"] for message in ended.of_type("CATALOG")]) == (0, [expected])
    assert len(expected["streams"]) == len(STREAMS)


def test_a_full_read_brings_the_records_that_the_console_script_brings(
    image: Image, server: TrackerServer, tmp_path: Path
) -> None:
    contents = {"config": config_of(server), "catalog": everything(tmp_path, server)}
    ended = image.run("read", *files_in(tmp_path / "config", **contents), files=tmp_path / "config")
    expected = rows(read_without_image(tmp_path, **contents))
    assert_speaks_the_protocol(ended)
    assert (ended.exit_code, ended.errors) == (0, [])
    assert set(ended.last_statuses.values()) == {"COMPLETE"}
    assert set(ended.last_statuses) == set(expected)
    assert streams_that_differ(rows(ended.messages), expected) == set()


def test_an_incremental_read_goes_on_from_the_mounted_states_as_the_console_script_does(
    image: Image, tmp_path: Path
) -> None:
    world = make_world(2, 120)
    with TrackerServer(world) as server:
        first_files: dict[str, Any] = {
            "config": config_of(server),
            "catalog": everything(tmp_path, server, incremental=True),
        }
        first = image.run("read", *files_in(tmp_path / "config", **first_files), files=tmp_path / "config")
        edit(world)
        second_files = {**first_files, "state": states_of(first.messages)}
        second = image.run("read", *files_in(tmp_path / "config", **second_files), files=tmp_path / "config")
        expected = read_without_image(tmp_path, **second_files)
    assert_speaks_the_protocol(second)
    assert (first.exit_code, second.exit_code, second.errors) == (0, 0, [])
    assert streams_that_differ(rows(second.messages), rows(expected)) == set()
    stories = [message["record"]["data"] for message in second.of_type("RECORD") if is_story(message)]
    assert 0 < len(stories) < 60
    assert any(row.get(DELETED_AT) for row in stories)


def is_story(message: Message) -> bool:
    return bool(message["record"]["stream"] == "stories")


def test_a_read_with_a_wrong_token_ends_with_exit_code_1(image: Image, server: TrackerServer, tmp_path: Path) -> None:
    files = files_in(tmp_path, config=config_of(server, api_token=OTHER_TOKEN), catalog=catalog_of("labels"))
    ended = image.run("read", *files, files=tmp_path)
    assert_speaks_the_protocol(ended)
    assert ended.exit_code == 1
    assert ended.errors[0]["failure_type"] == "config_error"


def test_a_config_file_that_is_not_mounted_ends_with_exit_code_1(image: Image) -> None:
    ended = image.run("check", "--config", "/config/source_config.json")
    assert_speaks_the_protocol(ended)
    assert ended.exit_code == 1
    assert ended.errors[0]["message"].startswith("The config file /config/source_config.json cannot be read: ")


def test_a_verb_that_does_not_exist_ends_with_exit_code_2(image: Image) -> None:
    ended = image.run("write")
    assert (ended.exit_code, {message["type"] for message in ended.messages}) == (2, {"LOG"})
    assert "invalid choice: 'write'" in ended.stderr


def has_a_state_after_a_record(output: bytes) -> bool:
    return b'"type":"STATE"' in output.partition(b'"type":"RECORD"')[2]


def test_a_stopped_container_ends_in_time_with_the_states_of_what_it_printed(image: Image, tmp_path: Path) -> None:
    with sample_server(tmp_path / "requests.jsonl", 3, 550, "--latency-ms", "100") as server:
        with connector("discover", tmp_path, config=server.config()) as program:
            catalog = every_stream(only(program, "CATALOG"), incremental=True)
        files = files_in(tmp_path / "config", config=server.config(num_workers=1), catalog=catalog)
        with image.started("read", *files, files=tmp_path / "config") as running:
            running.wait_for(has_a_state_after_a_record)
            running.container.stop(timeout=SECONDS_TO_END)  # The engine kills it after these: another exit code.
            ended = running.ended()
    assert_speaks_the_protocol(ended)
    assert ended.exit_code == TERMINATED
    assert len(ended.last_statuses) < len(catalog["streams"])
    kinds = [message["type"] for message in ended.messages]
    assert "STATE" in kinds[-kinds[::-1].index("RECORD") :]


def test_under_a_shell_that_keeps_sigterm_from_it_it_is_killed_and_the_next_read_brings_the_rest(
    image: Image, tmp_path: Path
) -> None:
    """Airbyte's pods start it so: the first process of a container gets the signal, and there that is a shell."""
    world = make_world(2, 120)
    label_of_the_last_project = re.compile(rb'"stream":"labels".*"project_id":%d' % list(world.projects)[-1])
    with TrackerServer(world, latency=0.1) as server:
        contents: dict[str, Any] = {
            "config": config_of(server, num_workers=1),
            "catalog": everything(tmp_path, server, incremental=True),
        }
        files = files_in(tmp_path / "config", **contents)
        script = f'eval "$AIRBYTE_ENTRYPOINT read {shlex.join(files)}"'
        with image.started("-c", script, entrypoint="sh", files=tmp_path / "config") as running:
            running.wait_for(has_a_state_after_a_record)
            running.container.kill("SIGTERM")
            running.wait_for(lambda output: bool(label_of_the_last_project.search(output)))
            running.container.kill("SIGKILL")
            killed = running.ended()
        messages = replace(killed, stdout=killed.stdout.rpartition("\n")[0]).messages
        contents["state"] = states_of(messages)
        second = image.run("read", *files_in(tmp_path / "config", **contents), files=tmp_path / "config")
        expected = read_without_image(tmp_path, **{**contents, "state": []})
    assert (killed.exit_code, second.exit_code) == (KILLED, 0)
    assert streams_that_differ(rows(second.messages), all_rows(expected)) != set()
    assert streams_that_differ(all_rows(messages, second.messages), all_rows(expected)) == set()


def test_a_container_that_is_stopped_while_a_server_keeps_silent_ends_in_time(image: Image, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/services/v5"
        files = files_in(tmp_path, config=config_for(url, SAMPLE_TOKEN))
        with image.started("check", *files, files=tmp_path) as running:
            connection, _ = silent.accept()
            with connection:
                running.container.stop(timeout=SECONDS_TO_END)
                assert running.ended().exit_code == TERMINATED


def test_an_unknown_user_can_read(image: Image, server: TrackerServer, tmp_path: Path) -> None:
    files = files_in(tmp_path, config=config_of(server), catalog=catalog_of("labels", "stories"))
    ended = image.run("read", *files, files=tmp_path, user=SOMEBODY)
    assert_speaks_the_protocol(ended)
    assert ended.last_statuses == {"labels": "COMPLETE", "stories": "COMPLETE"}
    assert ended.exit_code == 0


def test_it_does_not_run_as_root(image: Image) -> None:
    user, _, group = image.client.images.get(IMAGE).attrs["Config"]["User"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert (
        image.run("-c", "import os; print(os.getuid(), os.getgid())", entrypoint="python").stdout == f"{user} {group}\n"
    )


def test_airbytes_own_name_for_the_entrypoint_starts_the_same_program(image: Image) -> None:
    config = image.client.images.get(IMAGE).attrs["Config"]
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    assert environment["AIRBYTE_ENTRYPOINT"] == " ".join(config["Entrypoint"])
    by_shell = image.run("-c", "$AIRBYTE_ENTRYPOINT spec", entrypoint="sh")
    assert by_shell.of_type("SPEC") == image.run("spec").of_type("SPEC") != []


def test_its_labels_say_what_metadata_yaml_says(image: Image) -> None:
    labels = image.client.images.get(IMAGE).labels
    assert labels["io.airbyte.name"] == METADATA["dockerRepository"]
    assert labels["io.airbyte.version"] == METADATA["dockerImageTag"]


def test_it_serves_sample_data_on_every_address_of_the_machine(image: Image, tmp_path: Path) -> None:
    with image.started("sample", "--port", "0", user=SOMEBODY) as server:
        url, token, *_ = server.wait_for(lambda output: output.count(b"\n") > 2).decode().splitlines()
        another_address = url.replace("127.0.0.1", "127.0.0.2")
        page = requests.get(another_address.replace("/services/v5", "/"), timeout=60)
        ended = image.run("check", *files_in(tmp_path, config=config_for(another_address, token)), files=tmp_path)
        server.container.stop()
        assert server.ended().exit_code == 0
    assert ended.status["status"] == "SUCCEEDED"
    assert ended.status["message"].startswith("The token belongs to Ada Martínez. It sees 3 projects: ")
    assert "<h1>3 projects</h1>" in page.text


def test_it_serves_an_export_that_is_mounted_to_the_connector_in_another_container(
    image: Image, tmp_path: Path
) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    with (exports / "all_20250401_1212.zip").open("wb") as out:
        write_export(make_world(2, 20), out)
    exports.chmod(0o755)
    (exports / "all_20250401_1212.zip").chmod(0o644)
    command = ("serve", "/exports/all_20250401_1212.zip", "--port", "0")
    with image.started(*command, files=exports, at="/exports", user=SOMEBODY) as server:
        text = server.wait_for(lambda output: b"/services/v5\n" in output).decode()
        url = re.findall(r"http://[^ ]+/services/v5$", text, re.MULTILINE)[0]
        ended = image.run(
            "check", *files_in(tmp_path / "config", config=config_for(url, "any")), files=tmp_path / "config"
        )
    assert (ended.exit_code, ended.status["status"]) == (0, "SUCCEEDED")
    assert ended.status["message"].partition("It sees ")[2].startswith("2 projects: ")


@pytest.fixture(scope="module")
def inventory(image: Image) -> Inventory:
    return look_into(image.client)


def test_it_adds_less_than_25_megabytes_to_what_the_cdk_needs(inventory: Inventory) -> None:
    assert 0 < inventory.added_bytes < LIMIT


def test_it_holds_the_locked_packages_and_this_one_and_no_other(inventory: Inventory) -> None:
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", lock, re.MULTILINE))
    versions = {name: package["version"] for name, package in inventory.packages.items()}
    assert {versions.pop(name) for name in OURS} == {METADATA["dockerImageTag"]}
    assert versions.keys() <= locked.keys()
    assert {"airbyte-cdk", "orjson", "waitress"} <= versions.keys()


def test_every_package_in_it_can_be_imported_without_its_tests_and_headers(image: Image, inventory: Inventory) -> None:
    modules = [module for package in inventory.packages.values() for module in package["modules"]]
    code = (
        "import importlib, sys\n"
        "for module in sys.argv[1:]:\n"
        "    try: importlib.import_module(module)\n"
        "    except ImportError as error: print(module, error)\n"
    )
    assert len(modules) > 60
    ended = image.run("-W", "ignore", "-c", code, *modules, entrypoint="python")
    assert (ended.exit_code, ended.stdout) == (0, "")


NOT_SHIPPED = ("*/tests", "*/unit_tests", "*/integration_tests", "*.h", "*/__pycache__", "*/pip", "*/.cache", "*/.git")


def test_it_holds_no_tests_headers_caches_and_no_pip(image: Image) -> None:
    unwanted = [part for pattern in NOT_SHIPPED for part in ("-o", "-path", pattern)][1:]
    licences = ["-name", "*.dist-info", "-prune"]
    ended = image.run(FOLDER, *licences, "-o", "(", *unwanted, ")", "-print", entrypoint="find")
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("compiler", ["cc", "gcc", "g++", "cargo", "make"])
def test_it_holds_no_compiler(compiler: str, image: Image) -> None:
    ended = image.run("-c", f"command -v {compiler} || echo none", entrypoint="sh")
    assert ended.stdout == "none\n"


def test_whatever_a_read_imports_is_compiled(image: Image, server: TrackerServer, tmp_path: Path) -> None:
    files = files_in(tmp_path, config=config_of(server), catalog=catalog_of("labels", "stories"))
    main = image.client.images.get(IMAGE).attrs["Config"]["Entrypoint"][1]
    ended = image.run("-v", main, "read", *files, files=tmp_path, entrypoint="python")
    assert ended.exit_code == 0
    assert len(re.findall(r"^# code object from '.*\.pyc'$", ended.stderr, re.MULTILINE)) > 500
    assert re.findall(r"^# code object from '.*\.py'$", ended.stderr, re.MULTILINE) == []


def test_its_bill_of_materials_is_valid_and_lists_every_package(inventory: Inventory, tmp_path: Path) -> None:
    assert sbom.main([str(tmp_path)]) == 0
    bill = (tmp_path / sbom.BILL).read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    listed = {unquote(component.get("purl", "").partition("@")[0]) for component in orjson.loads(bill)["components"]}
    assert {f"pkg:pypi/{name}" for name in inventory.packages.keys() - OURS} <= listed
    assert {f"pkg:deb/debian/{package['name']}" for package in inventory.system} <= listed
    assert "pkg:deb/debian/libc6" in listed
    assert orjson.loads(bill)["metadata"]["component"]["version"] == METADATA["dockerImageTag"]


def test_the_licence_of_every_package_is_known(inventory: Inventory) -> None:
    licences = {name: sbom.licence(package["licence"]) for name, package in inventory.packages.items()}
    assert {licences[name] for name in OURS} == {"MIT"}
    assert [name for name, licence in licences.items() if licence == sbom.UNKNOWN] == []
