"""A browser, and the servers and copies that it looks at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tracker_server.app import TrackerServer
from unit_tests.tracker_server.pages.worlds import exported, sample_world

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"


def unavailable(what: str, how: str) -> None:
    """Skip the test, because something is not installed; where CI runs, that is a failure."""
    reason = f"{what} is not installed: {how}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        unavailable("Chromium", "install the package chromium, or name its program in CHROMIUM")
    with sync_playwright() as playwright:
        # Without a sandbox, because that refuses to run as root, as in a container.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which finds faults that keep people with a disability out."""
    if not AXE.is_file():
        unavailable("axe-core", "make browser")
    return AXE.read_text("utf-8")


def serious_faults(page: Page, axe: str) -> list[tuple[str, str, str | None]]:
    """What keeps people with a disability out of a page, by axe-core: the rule, an element and why."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (violation["id"], violation["nodes"][0]["html"], violation["nodes"][0].get("failureSummary"))
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    yield context
    context.close()


class Watched:
    """A page, and what went wrong on it: errors of scripts, refused loads, requests to other hosts."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        page.on(
            "request",
            lambda request: None if request.url.startswith((origin, "data:")) else self.problems.append(request.url),
        )


@pytest.fixture(scope="session")
def server() -> Iterator[TrackerServer]:
    """The sample."""
    with TrackerServer(sample_world(2, 400)) as running:
        yield running


@pytest.fixture(scope="session")
def export_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackerServer]:
    """An export of the sample, whose files are there."""
    with TrackerServer(exported(sample_world(2, 60), tmp_path_factory.mktemp("export"))) as running:
        yield running


@pytest.fixture
def watched(context: BrowserContext, server: TrackerServer) -> Watched:
    return Watched(context.new_page(), server.pages_url)
