"""What discover prints becomes a catalog that read takes."""

from __future__ import annotations

import json

import pytest

from tools.catalog import main

DISCOVERED = (
    b'{"type": "LOG", "log": {"level": "INFO", "message": "discovering"}}\n',
    b'{"type": "CATALOG", "catalog": {"streams": [{"name": "labels"}, '
    b'{"name": "epics", "supported_sync_modes": ["full_refresh", "incremental"]}]}}\n',
)


@pytest.mark.parametrize(("wanted", "chosen"), [([], ["labels", "epics"]), (["epics"], ["epics"])])
def test_the_catalog_has_the_streams_that_are_named_or_else_all(
    wanted: list[str], chosen: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(wanted, DISCOVERED) == 0

    catalog = json.loads(capsys.readouterr().out)
    assert [configured["stream"]["name"] for configured in catalog["streams"]] == chosen


@pytest.mark.parametrize(
    ("arguments", "modes"), [([], ["full_refresh"] * 2), (["--incremental"], ["full_refresh", "incremental"])]
)
def test_an_incremental_catalog_is_made_on_request_for_streams_that_offer_it(
    arguments: list[str], modes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments, DISCOVERED)

    catalog = json.loads(capsys.readouterr().out)
    assert [configured["sync_mode"] for configured in catalog["streams"]] == modes


def test_a_stream_that_is_not_in_the_catalog_is_an_error_that_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["epics", "sprints"], DISCOVERED) == 1
    assert capsys.readouterr() == ("", "Discover knows no stream sprints.\n")


def test_input_without_a_catalog_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], DISCOVERED[:1]) == 1
    assert capsys.readouterr() == ("", "There is no catalog in the input: give it what discover prints.\n")
