"""The report as a person sees it: pictures, tables, a choice of project; and what a stranger's text cannot do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from integration_tests.browser.conftest import Watched, serious_faults
from tracker_report.databases import opened
from tracker_report.page import report
from tracker_report.picture import NAMES
from unit_tests.tracker_report.marts import HOSTILE, a_team_with, database

pytestmark = pytest.mark.browser_tests

MARKS = {
    "velocity": ("rect", 4), "burn_up": ("line", 5), "forecast": ("rect", 2), "cycle_time": ("symbol", 12),
    "cumulative_flow": ("area", 7), "throughput": ("rect", 4), "rejections": ("rect", 4), "blocked": ("rect", 1),
    "age": ("symbol", 2),
}  # fmt: skip
"""What a picture of a_team_with has at least, and how often."""


@pytest.fixture(scope="session")
def report_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report on three projects: an ordinary one, one with hostile names, and one in which nothing has happened."""
    folder = tmp_path_factory.mktemp("report")
    quiet = {"tracker__project": a_team_with("Quiet", project_id=3)["tracker__project"]}
    path = database(folder / "x.duckdb", a_team_with("Harbour"), a_team_with(HOSTILE, project_id=2), quiet)
    with opened(str(path)) as models:
        (folder / "report.html").write_text(report(models), "utf-8")
    return (folder / "report.html").as_uri()


def is_drawn(page: Page, project_id: int) -> None:
    page.wait_for_function(f"document.body.dataset.drawn === '{project_id}'")


def look_at(page: Page, url: str, project_id: int = 1) -> None:
    page.goto(f"{url}#project={project_id}")
    is_drawn(page, project_id)


@pytest.mark.parametrize("project_id", [1, 2, 3])
def test_the_report_opens_without_a_network_an_error_or_a_strangers_script(
    project_id: int, context: BrowserContext, report_url: str
) -> None:
    context.set_offline(True)
    watched = Watched(context.new_page(), "file:")
    look_at(watched.page, report_url, project_id)
    assert watched.problems == []
    assert watched.page.title() == f"{('Harbour', HOSTILE, 'Quiet')[project_id - 1]}: Tracker report"
    assert watched.page.locator("img").count() == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("project_id", [1, 2])
def test_a_picture_is_drawn_and_its_table_has_the_same_rows(
    name: str, project_id: int, context: BrowserContext, report_url: str
) -> None:
    page = context.new_page()
    look_at(page, report_url, project_id)
    section = page.locator(f"#{name}")
    mark, times = MARKS[name]
    assert section.locator(f".mark-{mark} path, .mark-{mark} line").count() >= times
    section.locator("summary", has_text="Table").click()
    found = json.loads(page.locator("#data").text_content() or "")["pictures"][name]
    assert section.locator("tbody tr").count() == len(found["rows"][str(project_id)])
    headings = [column.replace("_", " ") for column in found["columns"] if column != "url"]
    assert section.locator("thead th").all_text_contents() == headings
    section.locator("summary", has_text="What the columns mean").click()
    assert section.locator(".definitions dt").all_text_contents() == headings
    assert all(section.locator(".definitions dd").all_text_contents())


def test_another_project_is_chosen_and_the_address_leads_to_it(context: BrowserContext, report_url: str) -> None:
    page = context.new_page()
    look_at(page, report_url)
    expect(page.locator("#figure-velocity")).to_have_text("10")
    page.get_by_role("combobox", name="Project").select_option("3")
    is_drawn(page, 3)
    expect(page.locator("#project-name")).to_have_text("Quiet")
    assert page.url.endswith("#project=3")
    for name in NAMES:
        expect(page.locator(f"#{name} .empty")).to_be_visible()
        expect(page.locator(f"#{name} .found")).to_be_hidden()
    page.go_back()
    is_drawn(page, 1)
    expect(page.locator("#project-name")).to_have_text("Harbour")


def test_a_dot_and_a_line_of_a_table_lead_to_their_story(context: BrowserContext, report_url: str) -> None:
    page = context.new_page()
    asked: list[str] = []

    def record(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(body="a story")

    context.route("https://tracker.example.com/**", record)
    look_at(page, report_url)
    with context.expect_page() as opening:
        page.locator("#cycle_time .mark-symbol path").first.click()
    opening.value.wait_for_load_state()
    page.locator("#cycle_time summary", has_text="Table").click()
    page.locator("#cycle_time tbody a").first.click()
    assert len(asked) == 2
    assert all(url.startswith("https://tracker.example.com/story/show/") for url in asked)
    assert page.locator("#blocked tbody a").count() == 0, "its address is a script"


SCREENS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 740}},
}


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("project_id", [1, 2, 3])
def test_the_report_keeps_nobody_out_and_fits_its_screen(
    project_id: int, screen: str, browser: Browser, report_url: str, axe: str
) -> None:
    context = browser.new_context(**SCREENS[screen], bypass_csp=True)
    page = context.new_page()
    look_at(page, report_url, project_id)
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true })")
    serious = serious_faults(page, axe)
    width, fits = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    context.close()
    assert serious == []
    assert width <= fits


def colours(page: Page) -> tuple[str, str]:
    """Of the page, and of what is written at an axis."""
    background, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('#velocity .role-axis-label text')).fill]"
    )
    return background, ink


def test_pictures_follow_a_change_of_the_colour_scheme_and_print_on_white(browser: Browser, report_url: str) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    look_at(page, report_url)
    dark = colours(page)
    page.emulate_media(color_scheme="light")
    light = colours(page)
    page.emulate_media(color_scheme="dark", media="print")
    printed = colours(page)
    widths = page.evaluate(
        "[...document.querySelectorAll('.picture svg')].map(picture => "
        "[picture.getBoundingClientRect().right, picture.closest('section').getBoundingClientRect().right])"
    )
    context.close()
    assert dark != light == printed
    assert len(widths) == len(NAMES)
    assert all(picture <= section for picture, section in widths)


def test_without_javascript_the_page_says_that_it_needs_it(browser: Browser, report_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report_url)
    expect(page.get_by_text("it needs JavaScript, and no network")).to_be_visible()
    context.close()
