"""What a person sees and does: pages, keys, search, narrow and dark screens; and what a stranger's text cannot do."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from integration_tests.browser.conftest import Watched, serious_faults
from tracker_server.app import TrackerServer
from tracker_server.pages.static_site import StaticSite
from tracker_server.search.index import SearchIndex
from tracker_server.search.parsing import parse
from tracker_server.view import Views
from tracker_server.world import Project, World
from unit_tests.tracker_server.pages.worlds import HOSTILE, hostile_world, sample_world

pytestmark = pytest.mark.browser_tests


def first_project(server: TrackerServer) -> Project:
    return next(iter(server.world.projects.values()))


def paths_of(world: World) -> dict[str, str]:
    """A page of each kind."""
    project = next(iter(world.projects.values()))
    story = max(project.stories.values(), key=lambda story: len(str(story)))
    release = next(story for story in project.stories.values() if story["story_type"] == "release")
    return {
        "overview": "",
        "board": f"n/projects/{project.id}",
        "panel": f"n/projects/{project.id}/panels/done/1",
        "story": f"story/show/{story['id']}",
        "release": f"story/show/{release['id']}",
        "epic": f"epic/show/{next(iter(project.epics))}",
        "search": "search?q=invoices",
        "not understood": "search?q=type%3Astory",
        "not here": "story/show/999999999",
    }


def search_for(text: str, page: Page) -> None:
    page.locator("#q").fill(text)
    page.locator("#q").press("Enter")


KINDS = ("overview", "board", "panel", "story", "release", "epic", "search", "not understood", "not here")
EXPECTED_ERRORS = {"not understood": "400", "not here": "404"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("origin", ["server", "export_server"])
def test_a_page_loads_without_an_error_and_asks_no_other_host(
    kind: str, origin: str, context: BrowserContext, request: pytest.FixtureRequest
) -> None:
    server: TrackerServer = request.getfixturevalue(origin)
    watched = Watched(context.new_page(), server.pages_url)
    watched.page.goto(server.pages_url + paths_of(server.world)[kind])
    expect(watched.page.locator("h1")).to_be_visible()
    expected = EXPECTED_ERRORS.get(kind)
    assert [problem for problem in watched.problems if not (expected and expected in problem)] == []


SCREENS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 740}},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("screen", SCREENS)
def test_a_page_keeps_nobody_out_and_fits_its_screen(
    kind: str, screen: str, browser: Browser, server: TrackerServer, axe: str
) -> None:
    context = browser.new_context(**SCREENS[screen])
    page = context.new_page()
    page.goto(server.pages_url + paths_of(server.world)[kind])
    serious = serious_faults(page, axe)
    width, fits = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    context.close()
    assert serious == []
    assert width <= fits


def test_without_javascript_every_link_form_and_panel_works(browser: Browser, server: TrackerServer) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    project = first_project(server)
    page.goto(server.pages_url)
    page.get_by_role("link", name=project.row["name"], exact=True).click()
    panel = page.locator("#backlog")
    panel.locator("summary").click()
    assert panel.get_attribute("open") is None
    page.locator("#done a.more").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    page.locator("#q").fill("type:bug")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("h1")).to_contain_text("found")
    page.locator(".story a.name").first.click()
    assert "/story/show/" in page.url
    context.close()


def test_the_search_is_reached_and_its_hits_are_walked_through_by_keys(watched: Watched, server: TrackerServer) -> None:
    page = watched.page
    page.goto(server.pages_url)
    page.keyboard.press("/")
    page.keyboard.type("invoices")
    page.keyboard.press("Enter")
    expect(page.locator("mark").first).to_be_visible()
    names = page.locator(".story a.name").all_inner_texts()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("li.selected a.name")).to_have_text(names[1])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(names[1])
    page.keyboard.press("Escape")
    expect(page.locator("h1")).to_contain_text("found")
    assert watched.problems == []


def test_arrows_lead_from_panel_to_panel_and_keys_typed_into_a_field_are_text(
    watched: Watched, server: TrackerServer
) -> None:
    page = watched.page
    page.goto(f"{server.pages_url}n/projects/{first_project(server).id}")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#done li.selected")).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator("#current li.selected")).to_be_visible()
    page.keyboard.press("h")
    expect(page.locator("#done li.selected")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("jkl/h")
    expect(page.locator("#q")).to_have_value("jkl/h")


def test_a_number_in_the_search_leads_straight_to_its_story(watched: Watched, server: TrackerServer) -> None:
    story_id = next(iter(first_project(server).stories))
    page = watched.page
    page.goto(server.pages_url)
    search_for(f"#{story_id}", page)
    page.wait_for_url(f"**/story/show/{story_id}")


def test_older_iterations_come_into_the_panel_when_they_are_asked_for(watched: Watched, server: TrackerServer) -> None:
    page = watched.page
    project = first_project(server)
    page.goto(f"{server.pages_url}n/projects/{project.id}")
    board = page.url
    before = page.locator("#done .story").count()
    done = page.locator("#done summary .date").inner_text().split()[0]
    while page.locator("#done a.more").count():
        page.locator("#done a.more").click()
        page.wait_for_function("count => document.querySelectorAll('#done .story').length > count", arg=before)
        before = page.locator("#done .story").count()
    assert page.url == board
    assert str(before) == done
    hrefs = page.locator("#done a.name").evaluate_all("links => links.map((link) => link.href)")
    assert len(set(hrefs)) == before
    assert watched.problems == []


def test_a_panel_that_was_hidden_stays_hidden(watched: Watched, server: TrackerServer) -> None:
    page = watched.page
    page.goto(f"{server.pages_url}n/projects/{first_project(server).id}")
    page.locator("#icebox summary").click()
    page.reload()
    assert page.locator("#icebox").get_attribute("open") is None
    assert page.locator("#backlog").get_attribute("open") is not None


def test_pictures_of_an_export_are_shown_and_other_files_are_downloads(
    context: BrowserContext, export_server: TrackerServer
) -> None:
    page = context.new_page()
    seen = downloaded = 0
    for project in export_server.world.projects.values():
        for story in project.stories.values():
            if not any(comment.get("file_attachments") for comment in story.get("comments", ())):
                continue
            page.goto(f"{export_server.pages_url}story/show/{story['id']}")
            for picture in page.locator(".picture img").all():
                picture.scroll_into_view_if_needed()
                page.wait_for_function("image => image.complete", arg=picture.element_handle())
                seen += picture.evaluate("image => image.naturalWidth") > 0
            link = page.locator(".files a[download]").first
            if link.count():
                with page.expect_download() as download:
                    link.click()
                downloaded += download.value.suggested_filename != ""
            if seen > 3 and downloaded > 3:
                return
    assert seen
    assert downloaded


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_of_a_stranger_runs_nothing(text: str, context: BrowserContext) -> None:
    world = hostile_world(text)
    project = next(iter(world.projects.values()))
    with TrackerServer(world) as server:
        watched = Watched(context.new_page(), server.pages_url)
        story_id = next(iter(project.stories))
        for path in ("", f"n/projects/{project.id}", f"story/show/{story_id}", "search?q=type:feature", "search"):
            watched.page.goto(server.pages_url + path)
            _touch(watched.page)
        search_for(text, watched.page)
        watched.page.wait_for_load_state()
        _touch(watched.page)
        answer = context.request.get(f"{server.pages_url}files/2/x?inline=true")
    assert [problem for problem in watched.problems if "400" not in problem] == []
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]


def _touch(page: Page) -> None:
    """Do what makes handlers run, and see that none did."""
    page.mouse.move(600, 300)
    page.keyboard.press("Tab")
    for summary in page.locator("summary").all():
        summary.click()
    page.wait_for_timeout(50)
    assert page.evaluate("window.hit") is None


def test_a_copy_on_a_disk_is_read_and_searched_without_a_server(context: BrowserContext, tmp_path: Path) -> None:
    world = sample_world(2, 60)
    project = next(iter(world.projects.values()))
    StaticSite(world, tmp_path / "site").write()
    root = (tmp_path / "site").as_uri()
    watched = Watched(context.new_page(), root)
    page = watched.page
    page.goto(f"{root}/index.html")
    page.get_by_role("link", name=project.row["name"], exact=True).click()
    page.locator("#current a.name").first.click()
    expect(page.locator("aside.facts")).to_be_visible()
    bugs = [s for p in world.projects.values() for s in p.stories.values() if s["story_type"] == "bug"]
    page.keyboard.press("/")
    page.keyboard.type("type:bug")
    page.keyboard.press("Enter")
    expect(page.locator("#heading")).to_have_text(f"{len(bugs)} found")
    word = max(bugs[0]["name"].split(), key=len)
    for query, count in {
        f"type:bug {word}": sum(word.lower() in s["name"].lower() for s in bugs),
        "type:bug OR type:chore": sum(
            s["story_type"] in ("bug", "chore") for p in world.projects.values() for s in p.stories.values()
        ),
        "-type:bug -type:feature -type:chore -type:release": sum(len(p.epics) for p in world.projects.values()),
        "type:bug -(state:accepted OR state:unscheduled)": sum(
            s["current_state"] not in ("accepted", "unscheduled") for s in bugs
        ),
    }.items():
        search_for(query, page)
        page.wait_for_load_state()
        if query == f"type:bug {word}":
            expect(page.locator("#heading")).to_contain_text("found")
            assert int(page.locator("#heading").inner_text().split()[0]) >= count
        else:
            expect(page.locator("#heading")).to_have_text(f"{count} found")
    search_for(f"type:bug id:{bugs[0]['id']}", page)
    expect(page.locator("#heading")).to_have_text("1 found")
    search_for("colour:red", page)
    expect(page.locator("#problem")).to_contain_text("colour:red")
    search_for(str(bugs[0]["id"]), page)
    page.wait_for_url(f"**/story/show/{bugs[0]['id']}/index.html")
    page.goto(f"{root}/n/projects/{project.id}/stories/{next(iter(project.stories))}/index.html")
    page.wait_for_url(f"**/story/show/{next(iter(project.stories))}/index.html")
    assert watched.problems == []


NAMES = (
    "한국어 문서", "Straße", "ΣΑΣ", "İstanbul", "ｶﾀｶﾅ テスト", "__proto__", "constructor", "ไทยแลนด์",
    "中文字", "naïve café", "हिन्दी", "مرحبا", "a_b", unicodedata.normalize("NFD", "보고서.png"),
)  # fmt: skip
SEARCHES = (
    "국어", "straße", "σας", "istanbul", "テスト", "__proto__", "constructor", "ไทย", "中", "CAFÉ",
    "हिन्दी", "보고서", "label:straße", "label:ΣΑΣ", "label:한국어", "label:__proto__", "type:Bugs",
    "NOT type:bug", "!type:bug", "type:bug || type:chore", "-(type:bug OR type:chore)", "no:owner",
    "has:comments", "is:done", "includedone:false", "includedone:true type:bug", "estimate:3",
    "estimate:1..2", "estimate:2..", "estimate:>2", "estimate:<=1", "estimate:-1", "estimate:0",
    "id:99999999", r'label:"say \"hi\""', r'label:"C:\\",Straße', "… type:bug", "🚀 OR type:bug", "type:bug -🚀",
)  # fmt: skip


def test_the_search_of_a_copy_finds_as_many_as_that_of_a_server(context: BrowserContext, tmp_path: Path) -> None:
    world = sample_world(1, 60)
    project = next(iter(world.projects.values()))
    for story, name in zip(project.stories.values(), NAMES, strict=False):
        story["name"] = name
    for label, name in zip(
        project.labels.values(), ("Straße", "ΣΑΣ", "한국어", "__proto__", 'say "hi"', "C:\\"), strict=False
    ):
        label["name"] = name
    StaticSite(world, tmp_path / "site").write()
    index = SearchIndex(Views(world))
    index.update_all()
    watched = Watched(context.new_page(), "file://")
    differing = {}
    for query in SEARCHES:
        watched.page.goto(f"{(tmp_path / 'site' / 'search' / 'index.html').as_uri()}?q={quote(query)}")
        heading = watched.page.locator("#heading")
        expect(heading).to_have_text(re.compile("found|understood"))
        total = index.search(parse(query, index.today())).total
        if heading.inner_text() != f"{total} found":
            differing[query] = heading.inner_text(), total
    assert differing == {}
    assert watched.problems == []


@pytest.mark.parametrize(
    "query", ["type:story", "state:done", "estimate:many", "has:money", "id:abc", "no:money", "🚀"]
)
def test_the_search_of_a_copy_says_what_it_does_not_understand(
    query: str, context: BrowserContext, tmp_path: Path
) -> None:
    StaticSite(sample_world(1, 12), tmp_path / "site").write()
    page = context.new_page()
    page.goto(f"{(tmp_path / 'site' / 'search' / 'index.html').as_uri()}?q={quote(query)}")
    expect(page.locator("#heading")).to_have_text("Not understood")
    expect(page.locator("#problem")).to_contain_text(f"{query}: ")
    expect(page.locator("details.help code").first).to_be_visible()


def test_an_address_of_tracker_leads_to_its_page_in_a_copy(context: BrowserContext, tmp_path: Path) -> None:
    world = sample_world(1, 12)
    project = next(iter(world.projects.values()))
    story_id = project.order[0]
    StaticSite(world, tmp_path / "site").write()
    page = context.new_page()
    for address, file in (
        (f"https://www.pivotaltracker.com/story/show/{story_id}", f"story/show/{story_id}"),
        (f"www.pivotaltracker.com/n/projects/{project.id}/stories/{story_id}#x", f"story/show/{story_id}"),
        (f"https://www.pivotaltracker.com/n/projects/{project.id}", f"n/projects/{project.id}"),
    ):
        page.goto(f"{(tmp_path / 'site' / 'search' / 'index.html').as_uri()}?q={quote(address)}")
        page.wait_for_url((tmp_path / "site" / file / "index.html").as_uri())


def test_a_password_is_asked_for(browser: Browser) -> None:
    with TrackerServer(sample_world(1, 12), password="open sesame") as server:
        without = browser.new_context()
        assert without.request.get(server.pages_url).status == 401
        assert without.request.get(f"{server.url}/projects").status == 401
        assert without.request.get(f"{server.url}/projects", headers={"X-TrackerToken": "open sesame"}).status == 403
        given = browser.new_context(http_credentials={"username": "anybody", "password": "open sesame"})
        page = given.new_page()
        page.goto(server.pages_url)
        expect(page.locator("h1")).to_have_text("1 project")
        without.close()
        given.close()
