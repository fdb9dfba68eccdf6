"""The real program as a user or Airbyte starts it: what it prints, where, and with which exit code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest

from integration_tests.command_line import NOBODY_THERE, OTHER_TOKEN, PROTOCOL, Ended, catalog_of
from source_pivotal_tracker.streams import STREAMS
from tools.program import CONNECTOR, SampleServer, every_stream, sample_server
from tracker_server import commands
from tracker_server.exports import write_export
from tracker_server.sample import make_world
from unit_tests import loaded_program
from unit_tests.scripted_server import ScriptedServer, answer

ROOT = Path(__file__).parents[1]
AIRBYTES_CATALOG = ROOT.parent / "shared" / "compat" / "airbyte-0.3-catalog.json"
WAYS_TO_START: dict[str, list[str | Path]] = {
    "console script": [CONNECTOR],
    "main.py": [sys.executable, ROOT / "main.py"],
}

every_way_to_start = pytest.mark.parametrize("start", WAYS_TO_START.values(), ids=WAYS_TO_START.keys())


class Folder:
    """Runs the program with files that it writes here first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def file(self, name: str, content: object) -> Path:
        """A file with these bytes, or with anything else as JSON."""
        path = self._path / name
        path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
        return path

    def run(
        self,
        *arguments: str,
        start: list[str | Path] | None = None,
        environment: Mapping[str, str] | None = None,
        config: object = None,
        catalog: object = None,
    ) -> Ended:
        """`folder.run("check", config={…})` is `source-pivotal-tracker check --config …/config.json`.

        With `start` it is a process that begins with that, and imports all that it needs.
        """
        command: list[str | Path] = [*arguments]
        for name, content in (("config", config), ("catalog", catalog)):
            if content is not None:
                command += [f"--{name}", self.file(f"{name}.json", content)]
        if start is None:
            ended = loaded_program.run(command, self._path, environment)
            return Ended(ended.returncode, ended.stdout, ended.stderr)
        ended = subprocess.run(
            [*start, *command],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            cwd=self._path,
            env={**os.environ, **(environment or {})},
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleServer]:
    log = tmp_path_factory.mktemp("server") / "requests.jsonl"
    with sample_server(log, projects=2, stories=120) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@every_way_to_start
def test_spec_prints_the_specification_and_nothing_else(start: list[str | Path], folder: Folder) -> None:
    ended = folder.run("spec", start=start)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert {message["type"] for message in ended.messages} <= {"LOG", "SPEC"}
    (message,) = ended.of_type("SPEC")
    assert "api_token" in message["spec"]["connectionSpecification"]["properties"]


@every_way_to_start
def test_check_names_the_owner_of_the_token(start: list[str | Path], folder: Folder, server: SampleServer) -> None:
    ended = folder.run("check", start=start, config=server.config())
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.status is not None
    assert ended.status["status"] == "SUCCEEDED"
    opening = "The token belongs to Ada Martínez. It sees 2 projects: Harbour Web Shop (id 1027), Ferry Mobile App (id "
    assert ended.status["message"].startswith(opening)


def test_discover_needs_neither_a_server_nor_a_valid_token(folder: Folder) -> None:
    ended = folder.run("discover", config={"api_token": "x", "api_url": NOBODY_THERE})
    assert (ended.exit_code, ended.stderr) == (0, "")
    (message,) = ended.of_type("CATALOG")
    assert len(message["catalog"]["streams"]) == len(STREAMS)


def test_what_discover_found_is_read_with_rows_in_every_stream(folder: Folder, server: SampleServer) -> None:
    start = WAYS_TO_START["console script"]
    (found,) = folder.run("discover", start=start, config=server.config()).of_type("CATALOG")
    ended = folder.run("read", start=start, config=server.config(), catalog=every_stream(found["catalog"]))
    assert (ended.exit_code, ended.stderr, ended.errors) == (0, "", [])
    assert {message["type"] for message in ended.messages} <= PROTOCOL
    names = {stream["name"] for stream in found["catalog"]["streams"]}
    assert ended.last_statuses == dict.fromkeys(names, "COMPLETE")
    assert {message["record"]["stream"] for message in ended.of_type("RECORD")} == names
    assert server.token not in ended.stdout


@pytest.mark.skipif(not AIRBYTES_CATALOG.exists(), reason="the catalog of Airbyte's own connector is not here")
def test_a_connection_made_for_airbytes_own_connector_goes_on_working(folder: Folder, server: SampleServer) -> None:
    catalog = every_stream(orjson.loads(AIRBYTES_CATALOG.read_bytes()))
    config = {"api_token": server.token, "api_url": server.url}
    ended = folder.run("read", config=config, catalog=catalog)
    names = {configured["stream"]["name"] for configured in catalog["streams"]}
    assert (ended.exit_code, ended.stderr, ended.errors) == (0, "", [])
    assert ended.last_statuses == dict.fromkeys(names, "COMPLETE")
    assert {message["record"]["stream"] for message in ended.of_type("RECORD")} == names


def test_a_stream_that_the_source_does_not_have_is_incomplete_and_the_others_are_read(
    folder: Folder, server: SampleServer
) -> None:
    ended = folder.run("read", config=server.config(), catalog=catalog_of("nonesuch", "labels"))
    assert ended.last_statuses == {"nonesuch": "INCOMPLETE", "labels": "COMPLETE"}
    assert {message["record"]["stream"] for message in ended.of_type("RECORD")} == {"labels"}


def test_a_read_with_a_wrong_token_ends_with_exit_code_1(folder: Folder, server: SampleServer) -> None:
    config = {**server.config(), "api_token": OTHER_TOKEN}
    ended = folder.run("read", config=config, catalog=catalog_of("labels", "stories"))
    assert (ended.exit_code, ended.stderr) == (1, "")
    assert "COMPLETE" not in ended.last_statuses.values()
    assert ended.of_type("RECORD") == []
    assert "403 invalid_authentication" in ended.errors[0]["message"]
    assert ended.errors[0]["failure_type"] == "config_error"
    assert OTHER_TOKEN not in ended.stdout


def test_a_check_with_a_wrong_token_says_failed_with_exit_code_0(folder: Folder, server: SampleServer) -> None:
    ended = folder.run("check", config={**server.config(), "api_token": OTHER_TOKEN})
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.status["status"] == "FAILED"
    assert ended.status["message"].startswith("api_token: ")
    assert OTHER_TOKEN not in ended.stdout


@pytest.mark.parametrize("verb", ["check", "read"])
def test_the_token_is_nowhere_in_the_debug_output_even_if_the_server_repeats_it(verb: str, folder: Folder) -> None:
    body = f'{{"code": "invalid_authentication", "error": "{OTHER_TOKEN} is unknown"}}'.encode()
    catalog = catalog_of("labels", "me") if verb == "read" else None
    with ScriptedServer([answer(403, body)]) as refusing:
        config = {"api_token": OTHER_TOKEN, "api_url": refusing.url}
        ended = folder.run(verb, "--debug", config=config, catalog=catalog)
    assert f"X-TrackerToken: {OTHER_TOKEN}" in refusing.requests[0]
    assert "**** is unknown" in ended.stdout
    assert OTHER_TOKEN not in ended.stdout + ended.stderr


def test_the_token_is_nowhere_in_the_debug_output_of_a_read(folder: Folder, server: SampleServer) -> None:
    catalog = catalog_of("me", "projects", "labels")
    ended = folder.run("read", "--debug", config=server.config(), catalog=catalog)
    assert ended.exit_code == 0
    assert len(ended.of_type("RECORD")) > 3
    assert server.token not in ended.stdout + ended.stderr


@pytest.mark.parametrize("verb", ["check", "read"])
def test_the_platform_gets_all_logs_as_messages_by_an_environment_variable(
    verb: str, folder: Folder, server: SampleServer
) -> None:
    catalog = catalog_of("labels") if verb == "read" else None
    ended = folder.run(verb, environment={"LOG_LEVEL": "DEBUG"}, config=server.config(), catalog=catalog)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert "DEBUG" in {message["log"]["level"] for message in ended.of_type("LOG")}
    assert server.token not in ended.stdout


NO_FILES = {
    "not JSON": (b"api_token: x", "is not JSON: "),
    "empty": (b"", "is not JSON: "),
    "a list": ([], "does not hold a JSON object"),
    "lists in lists without end": (b"[" * 100_000, "is nested too deeply"),
    "objects in each other, a thousand levels deep": (b'{"a":' * 500 + b"1" + b"}" * 500, "is nested too deeply"),
}
DEEP = NO_FILES["lists in lists without end"]


@pytest.mark.parametrize(("content", "problem"), NO_FILES.values(), ids=NO_FILES.keys())
def test_a_config_file_that_holds_no_object_is_told_in_one_sentence(
    content: object, problem: str, folder: Folder
) -> None:
    ended = folder.run("check", config=content)
    assert_one_sentence(ended, "The config file ", problem)


@pytest.mark.parametrize(
    ("content", "problem"), [NO_FILES["not JSON"], NO_FILES["a list"], DEEP], ids=["not JSON", "a list", "deep"]
)
def test_a_catalog_file_that_holds_no_object_is_told_in_one_sentence(
    content: object, problem: str, folder: Folder
) -> None:
    ended = folder.run("read", config={"api_token": "x", "api_url": NOBODY_THERE}, catalog=content)
    assert_one_sentence(ended, "The catalog file ", problem)


def test_a_state_file_that_is_nested_without_end_is_told_in_one_sentence(folder: Folder) -> None:
    state = folder.file("state.json", DEEP[0])
    config = {"api_token": "x", "api_url": NOBODY_THERE}
    ended = folder.run("read", "--state", str(state), config=config, catalog=catalog_of("me"))
    assert_one_sentence(ended, "The state file ", DEEP[1])


def test_a_config_is_read_from_a_pipe_and_with_a_byte_order_mark(server: SampleServer, folder: Folder) -> None:
    config = folder.file("marked.json", b"\xef\xbb\xbf" + orjson.dumps(server.config()))
    for command in ('"$0" check --config "$1"', '"$0" check --config <(cat "$1")'):
        ended = subprocess.run(
            ["/bin/bash", "-c", command, CONNECTOR, config], capture_output=True, check=True, timeout=120
        )
        assert b"SUCCEEDED" in ended.stdout


def test_a_config_file_that_is_not_there_is_told_in_one_sentence(folder: Folder) -> None:
    assert_one_sentence(folder.run("check", "--config", "none.json"), "The config file none.json cannot be read: ")


def test_a_catalog_file_that_is_not_there_is_told_in_one_sentence(folder: Folder) -> None:
    ended = folder.run("read", "--catalog", "none.json", config={"api_token": "x", "api_url": NOBODY_THERE})
    assert_one_sentence(ended, "The catalog file none.json cannot be read: ")


def assert_one_sentence(ended: Ended, start: str, inside: str = "") -> None:
    (error,) = ended.errors
    assert (ended.exit_code, ended.stderr) == (1, "")
    assert error["message"].startswith(start)
    assert inside in error["message"]
    assert error["failure_type"] == "config_error"
    assert "Traceback" not in ended.stdout


BAD_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "no token": ("api_token", {}),
    "a token with a line break": ("api_token", {"api_token": "abc\n"}),
    "ftp": ("api_url", {"api_token": "x", "api_url": "ftp://tracker.example.com"}),
    "project id 0": ("project_ids[0]", {"api_token": "x", "project_ids": [0]}),
}


@pytest.mark.parametrize(("key", "config"), BAD_CONFIGS.values(), ids=BAD_CONFIGS.keys())
def test_check_tells_a_bad_configuration_in_one_sentence_that_names_the_key(
    key: str, config: dict[str, Any], folder: Folder
) -> None:
    ended = folder.run("check", config=config)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.status["status"] == "FAILED"
    assert ended.status["message"].startswith(f"{key} ")
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize("verb", ["check", "discover", "read"])
def test_a_key_that_is_no_setting_is_named_once(verb: str, server: SampleServer, folder: Folder) -> None:
    catalog = catalog_of("me") if verb == "read" else None
    ended = folder.run(verb, config=server.config(project_id=1), catalog=catalog)
    assert ended.stdout.count("Ignoring what is no setting in the configuration: 'project_id'") == 1


@pytest.mark.parametrize("verb", ["discover", "read"])
def test_with_a_bad_configuration_the_other_verbs_end_with_its_sentence(verb: str, folder: Folder) -> None:
    catalog = catalog_of("labels") if verb == "read" else None
    ended = folder.run(verb, config={"api_token": "x", "start_date": "last week"}, catalog=catalog)
    assert_one_sentence(ended, "start_date has the wrong format: give a time")


@pytest.mark.parametrize("token", [1, 17, "1", "e"])
@pytest.mark.parametrize("verb", ["discover", "read"])
def test_a_token_that_is_no_secret_leaves_every_message_one(verb: str, token: object, folder: Folder) -> None:
    config = {"api_token": token, "api_url": NOBODY_THERE, "project_ids": "none"}
    ended = folder.run(verb, config=config, catalog=None if verb == "discover" else catalog_of("stories"))
    assert ended.exit_code == 1
    assert_one_sentence(ended, "", "project_ids")


@pytest.mark.parametrize("arguments", [[], ["--help"]], ids=["no arguments", "--help"])
def test_the_verbs_are_listed_to_whoever_asks(arguments: list[str], folder: Folder) -> None:
    ended = folder.run(*arguments)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: source-pivotal-tracker VERB")
    for verb in ("spec", "check", "discover", "read"):
        assert re.search(rf"^  {verb} ", ended.stdout, re.MULTILINE)


def test_the_version_is_that_of_the_distribution(folder: Folder) -> None:
    assert folder.run("--version").stdout == f"tracker-connector {version('tracker-connector')}\n"


@pytest.mark.parametrize("command", [*commands.names(), commands.SAMPLE])
def test_main_py_knows_the_commands_of_the_server(command: str, folder: Folder) -> None:
    ended = folder.run(command, "--help", start=WAYS_TO_START["main.py"])
    assert ended.stdout.startswith(f"usage: tracker-server {command} ")


def test_a_verb_that_does_not_exist_ends_with_exit_code_2(folder: Folder) -> None:
    ended = folder.run("write")
    assert ended.exit_code == 2
    assert "invalid choice: 'write'" in ended.stderr
    assert "Traceback" not in ended.stderr


NETWORKS: dict[str, dict[str, str]] = {
    "whatever network there is": {},
    "no network": {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""},
}


@pytest.mark.parametrize("environment", NETWORKS.values(), ids=NETWORKS.keys())
def test_check_of_the_hosted_service_says_that_it_closed_and_where_it_went(
    environment: dict[str, str], folder: Folder
) -> None:
    ended = folder.run("check", environment=environment, config={"api_token": OTHER_TOKEN})
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.status["status"] == "FAILED"
    assert "closed on 2025-04-30" in ended.status["message"]
    assert "https://app.litetracker.com/services/v5" in ended.status["message"]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of two projects."""
    path = tmp_path_factory.mktemp("exports") / "all_20250401_1212.zip"
    with path.open("wb") as out:
        write_export(make_world(projects=2, stories=20), out)
    return path


def test_check_names_the_projects_of_an_export_without_a_token(export: Path, folder: Folder) -> None:
    ended = folder.run("check", config={"export_archive": str(export)})
    assert (ended.exit_code, ended.stderr, ended.status["status"]) == (0, "", "SUCCEEDED")
    assert ended.status["message"].startswith("The exports contain ")


def test_what_discover_found_is_read_from_an_export(export: Path, folder: Folder) -> None:
    config = {"export_archive": str(export)}
    (found,) = folder.run("discover", config=config).of_type("CATALOG")
    ended = folder.run("read", config=config, catalog=every_stream(found["catalog"]))
    assert (ended.exit_code, ended.stderr, ended.errors) == (0, "", [])
    assert ended.last_statuses == {stream["name"]: "COMPLETE" for stream in found["catalog"]["streams"]}
    assert [message["record"]["stream"] for message in ended.of_type("RECORD")].count("stories") == 2 * 20


def test_an_export_that_is_not_there_ends_a_read_with_exit_code_1(folder: Folder) -> None:
    ended = folder.run("read", config={"export_archive": "/nowhere/a.zip"}, catalog=catalog_of("stories"))
    assert (ended.exit_code, ended.stderr, ended.of_type("RECORD")) == (1, "", [])
    sentence = "export_archive: /nowhere/a.zip cannot be read: No such file or directory."
    assert sentence in [error["message"] for error in ended.errors]


@pytest.mark.parametrize("verb", ["spec", "read"])
def test_when_nobody_reads_its_messages_any_more_it_ends_in_one_sentence(
    verb: str, server: SampleServer, folder: Folder
) -> None:
    files: list[str | Path] = []
    if verb == "read":
        files += ["--config", folder.file("config.json", server.config())]
        files += ["--catalog", folder.file("catalog.json", catalog_of("stories", "labels"))]
    with subprocess.Popen([CONNECTOR, verb, *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.stdout.close()
        _, trouble = program.communicate(timeout=120)
    assert (program.returncode, trouble) == (1, b"The reader of stdout has closed it: stopping.\n")
