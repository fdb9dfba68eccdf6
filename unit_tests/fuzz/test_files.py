"""Configurations, catalogs and states that are a little wrong anywhere, given to the program as files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.program import every_stream
from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN, make_world
from unit_tests import loaded_program
from unit_tests.fuzz.mutations import ODD, Cut, Mutation, cuts, fuzzed, mutated, mutations
from unit_tests.fuzz.runs import FOR_PROGRAMMERS
from unit_tests.modes import EVERY_MODE, Mode

STREAMS = (
    "projects",
    "stories",
    "story_tasks",
    "labels",
    "epics",
    "releases",
    "activity",
    "notifications",
    "iterations",
)


class Scene:
    """A server, and the files that a read of it takes."""

    def __init__(self, mode: Mode) -> None:
        self.world = make_world(projects=2, stories=8)
        self.server = TrackerServer(self.world, dialect=mode.dialect, keeps_log=False)
        self.server.__enter__()
        self.config: dict[str, Any] = {
            "api_token": SAMPLE_TOKEN, "api_url": self.server.url, "requests_per_minute": 1000, "num_workers": 2,
            "start_date": "2026-01-01T00:00:00Z", "lookback_window": "PT2M", "full_sweep_days": 7,
            "project_ids": [str(project) for project in self.world.projects],
        }  # fmt: skip
        found = json.loads(run("discover", config=self.config)[0][-1])["catalog"]
        found["streams"] = [stream for stream in found["streams"] if stream["name"] in STREAMS]
        self.catalog = every_stream(found, incremental=True)
        last = {}
        for line in run("read", config=self.config, catalog=self.catalog)[0]:
            message = orjson.loads(line)
            if message["type"] == "STATE":
                last[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
        self.state = list(last.values())


@cache
def scene_of(mode: Mode) -> Scene:
    return Scene(mode)


def run(verb: str, **files: Any) -> tuple[list[str], str, int]:
    """What the program prints to stdout, line by line, and to stderr, and its exit code; bytes are written as such."""
    with tempfile.TemporaryDirectory() as folder:
        arguments: list[str | Path] = [verb]
        for name, content in files.items():
            file = Path(folder) / f"{name}.json"
            file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
            arguments += [f"--{name}", file]
        ended = loaded_program.run(arguments, Path(folder))
    # Not splitlines: texts may hold other line ends than that of a message.
    return ended.stdout.removesuffix("\n").split("\n"), ended.stderr, ended.returncode


def faults(ended: tuple[list[str], str, int]) -> list[str]:
    """What breaks the law that a user sees messages alone, and words, and an exit code that fits."""
    lines, stderr, exit_code = ended
    found = [f"on stderr: {stderr}"] if stderr else []
    found += [] if exit_code in (0, 1) else [f"exit code {exit_code}"]
    errors, statuses = [], {}
    for line in lines:
        message = orjson.loads(line)
        if message["type"] == "LOG" and (message["log"].get("stack_trace") or "Traceback" in message["log"]["message"]):
            found.append(f"a trace: {message['log']['message'][:300]}")
        trace = message.get("trace") or {}
        if trace.get("type") == "ERROR":
            errors.append(trace["error"]["message"])
            found += ["a stack trace"] if trace["error"].get("stack_trace") else []
        elif trace.get("type") == "STREAM_STATUS":
            statuses[trace["stream_status"]["stream_descriptor"]["name"]] = trace["stream_status"]["status"]
    found += [f"for programmers: {words}" for words in errors if FOR_PROGRAMMERS.search(words)]
    if exit_code == 1 and not errors:
        found.append("a failure without an error")
    if exit_code == 0 and (errors or set(statuses.values()) - {"COMPLETE"}):
        found.append(f"success with {errors} and {statuses}")
    return found


def fuzzed_file(content: Any, changes: list[Mutation], cut: list[Cut]) -> bytes:
    text = mutated(content, changes)[0].encode("utf-8", "surrogatepass")
    for change in cut:
        text = change.apply(text)
    return text


few_cuts: st.SearchStrategy[list[Cut]] = st.one_of(st.just([]), st.just([]), st.lists(cuts, max_size=1))


@pytest.mark.parametrize("mode", EVERY_MODE)
@fuzzed
@given(changes=st.lists(mutations, max_size=3), cut=few_cuts)
def test_a_state_that_is_wrong_is_read_or_refused_in_words(mode: Mode, changes: list[Mutation], cut: list[Cut]) -> None:
    scene = scene_of(mode)
    state = fuzzed_file(scene.state, changes, cut)
    assert faults(run("read", config=scene.config, catalog=scene.catalog, state=state)) == []


@pytest.mark.parametrize("mode", EVERY_MODE[:1])
@fuzzed
@given(changes=st.lists(mutations, max_size=3), cut=few_cuts, with_state=st.booleans())
def test_a_catalog_that_is_wrong_is_read_or_refused_in_words(
    mode: Mode, changes: list[Mutation], cut: list[Cut], with_state: bool
) -> None:
    scene = scene_of(mode)
    files = {"state": scene.state} if with_state else {}
    catalog = fuzzed_file(scene.catalog, changes, cut)
    assert faults(run("read", config=scene.config, catalog=catalog, **files)) == []


SETTINGS = ("api_token", "requests_per_minute", "num_workers", "start_date", "lookback_window", "full_sweep_days",
            "project_ids", "export_project_ids", "attachments_max_mb", "no_such_setting")  # fmt: skip


def settings_of(changed: dict[str, str], config: dict[str, Any]) -> Iterator[str]:
    for name in config.keys() | changed.keys():
        yield f"{json.dumps(name)}: {changed.get(name) or json.dumps(config[name])}"


@pytest.mark.parametrize("verb", ["check", "discover", "read"])
@pytest.mark.parametrize("mode", EVERY_MODE[:1])
@fuzzed
@given(
    changed=st.dictionaries(st.sampled_from(SETTINGS), st.sampled_from(ODD), max_size=3),
    nobody_there=st.booleans(),
    cut=few_cuts,
)
def test_a_configuration_that_is_wrong_is_used_or_refused_in_words(
    mode: Mode, verb: str, changed: dict[str, str], nobody_there: bool, cut: list[Cut]
) -> None:
    # A place that a mutation makes up is none that a test may ask or write to: where it leads stays as it is.
    scene = scene_of(mode)
    config = scene.config | ({"api_url": "nowhere"} if nobody_there else {})
    text = ("{" + ", ".join(settings_of(changed, config)) + "}").encode("utf-8", "surrogatepass")
    for change in cut:
        text = change.apply(text)
    if scene.server.url.encode() not in text and b"http" in text:
        return
    files = {"catalog": scene.catalog} if verb == "read" else {}
    assert faults(run(verb, config=text, **files)) == []
