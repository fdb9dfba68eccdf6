"""The image, for the tests that are marked with `image_tests`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from integration_tests.containers import Image
from tools.image import NotReady, build, engine

collect_ignore = ["connector_qa"]
"""`make connector-qa` runs it, in an environment of its own."""


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The image of this checkout, built by now. Without an engine or a base image its tests are skipped.

    With `IMAGE_IS_BUILT` in the environment it is the one that is there under that name.
    """
    try:
        with engine() as client:
            if not os.environ.get("IMAGE_IS_BUILT"):
                build(client)
            yield Image(client)
    except NotReady as problem:
        pytest.skip(str(problem))


@pytest.fixture(autouse=True)
def _image_for_whoever_is_marked(request: pytest.FixtureRequest) -> None:
    """Airbyte's own tests ask for no fixture of ours, and would take whatever image is there."""
    if request.node.get_closest_marker("image_tests"):
        request.getfixturevalue("image")
