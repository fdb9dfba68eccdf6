"""The pages of a world, asked in process: addresses, what they show, and what they never let through."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from markupsafe import Markup, escape

from tracker_server.exports import read_exports, sources_at
from tracker_server.http_message import Request, Response
from tracker_server.pages.application import HEADERS, Pages
from tracker_server.pages.board import LINES, Board
from tracker_server.pages.links import PANELS
from tracker_server.search.index import SearchIndex
from tracker_server.view import Views
from tracker_server.world import Project, Row, World
from unit_tests.tracker_server.pages.worlds import HOSTILE, exported, hostile_world, sample_world


@pytest.fixture(scope="module")
def world() -> World:
    return sample_world()


@pytest.fixture(scope="module")
def pages(world: World) -> Pages:
    return pages_of(world)


@pytest.fixture(scope="module")
def project(world: World) -> Project:
    return next(iter(world.projects.values()))


def pages_of(world: World) -> Pages:
    return Pages(SearchIndex(Views(world)))


def get(pages: Pages, path: str, method: str = "GET") -> Response:
    path, _, query = path.partition("?")
    return pages.handle(Request(method, path, query))


def html(pages: Pages, path: str) -> str:
    response = get(pages, path)
    assert response.status == 200, path
    return response.body.decode()


def story_with(project: Project, part: str) -> Row:
    return next(story for story in project.stories.values() if story.get(part))


STORY_ADDRESSES = (
    "/story/show/{story}", "/stories/{story}", "/stories/show/{story}", "/n/projects/{project}/stories/{story}",
    "/projects/{project}/stories/{story}", "/story/show/{story}/",
)  # fmt: skip
EPIC_ADDRESSES = ("/epic/show/{epic}", "/n/projects/{project}/epics/{epic}", "/projects/{project}/epics/{epic}")
PROJECT_ADDRESSES = ("/n/projects/{project}", "/projects/{project}", "/s/projects/{project}", "/n/projects/{project}/")


@pytest.mark.parametrize("address", [*STORY_ADDRESSES, *EPIC_ADDRESSES, *PROJECT_ADDRESSES])
def test_the_addresses_that_tracker_had_lead_to_the_thing_itself(address: str, pages: Pages, project: Project) -> None:
    story, epic = next(iter(project.stories.values())), next(iter(project.epics.values()))
    page = html(pages, address.format(story=story["id"], epic=epic["id"], project=project.id))
    named = story if "{story}" in address else epic if "{epic}" in address else project.row
    assert f"{named['name']}</title>" in page


@pytest.mark.parametrize(
    "address",
    [
        "/story/show/{story}/comments/7", "/n/projects/{project}/stories/{story}/comments/7",
        "/projects/{project}/stories/{story}/comments/7", "/epic/show/{story}/comments/7",
        "/projects/{project}/epics/{story}/comments/7", "/n/projects/{project}/epics/{story}/comments/7",
    ],
)  # fmt: skip
def test_the_address_of_a_comment_leads_to_its_place_on_the_page_of_the_story_or_the_epic(
    address: str, pages: Pages, project: Project
) -> None:
    story, epic_id = story_with(project, "comments"), next(iter(project.epics))
    for row_id, page in ((story["id"], f"/story/show/{story['id']}"), (epic_id, f"/epic/show/{epic_id}")):
        response = get(pages, address.format(story=row_id, project=project.id))
        assert (response.status, response.headers["Location"]) == (302, f"{page}#comment-7")
    assert f'id="comment-{story["comments"][0]["id"]}"' in html(pages, f"/story/show/{story['id']}")
    assert get(pages, address.format(story=999, project=project.id)).status == 404


def test_the_number_of_a_story_at_the_address_of_an_epic_leads_to_the_story_and_the_other_way_round(
    pages: Pages, project: Project
) -> None:
    story_id, epic_id = next(iter(project.stories)), next(iter(project.epics))
    assert get(pages, f"/epic/show/{story_id}").headers["Location"] == f"/story/show/{story_id}"
    assert get(pages, f"/story/show/{epic_id}").headers["Location"] == f"/epic/show/{epic_id}"


def test_every_link_of_a_story_is_a_search_that_finds_it_or_a_page_that_is_here() -> None:
    awkward = sample_world(1)
    project = next(iter(awkward.projects.values()))
    for row in (*awkward.people.values(), *project.labels.values()):
        row["name"] = f'{row["name"]} "the, (best)\\"'
    pages = pages_of(awkward)
    searched = 0
    for story_id in list(project.stories)[:40]:
        for address in re.findall(r'href="(/[^"#]+)"', html(pages, f"/story/show/{story_id}")):
            address = unescape(address)
            searched += address.startswith("/search?")
            if address.startswith("/search?"):
                assert int(re.findall(r"<h1>([\d,]+) found", html(pages, address))[0].replace(",", "")) > 0
            else:
                assert get(pages, address).status == 200
    assert searched > 40


def test_a_mention_leads_to_somebody_who_is_here(tmp_path: Path) -> None:
    world = sample_world(1)
    project = next(iter(world.projects.values()))
    story = project.stories[project.order[0]]
    person = world.people[story["requested_by_id"]]
    person["name"] = "Quiëta van Dijk"
    story["description"] = "@quiëta and @QuiëtaVanDijk and @quiëta.van.dijk, not @nobody"
    page = html(pages_of(exported(world, tmp_path)), f"/story/show/{story['id']}")
    assert page.count('class="reference"') == 3
    assert page.count("/search?q=person%3A%22Qui%C3%ABta+van+Dijk%22") == 3


def test_a_blocker_says_who_wrote_it_and_when(pages: Pages, project: Project, world: World) -> None:
    story = story_with(project, "blockers")
    page = html(pages, f"/story/show/{story['id']}")
    for blocker in story["blockers"]:
        assert re.search(rf"{re.escape(str(escape(world.people[blocker['person_id']]['name'])))}</bdi>, <time", page)


def test_the_first_page_has_every_project_with_its_stories_by_type_and_state(pages: Pages, world: World) -> None:
    page = html(pages, "/")
    for project in world.projects.values():
        assert f'href="/n/projects/{project.id}">{project.row["name"]}</a>' in page
        counted = re.search(rf"project%3A{project.id}\+type%3Afeature.*?</tr>", page, re.DOTALL)
        assert counted
        features = [story for story in project.stories.values() if story["story_type"] == "feature"]
        assert f"<td>{len(features)}</td></tr>" in counted[0]


def test_the_board_has_every_panel_and_every_story_once(pages: Pages, project: Project) -> None:
    page = html(pages, f"/n/projects/{project.id}")
    assert re.findall('<details class="panel" id="([a-z]+)"', page) == list(PANELS)
    linked = [int(number) for number in re.findall(r"/story/show/(\d+)", page)]
    assert sorted(linked) == sorted(project.stories)
    assert sorted(int(number) for number in re.findall(r"/epic/show/(\d+)", page)) == sorted(project.epics)


def test_iterations_have_their_days_in_the_zone_of_the_project_and_their_points(pages: Pages, project: Project) -> None:
    page = html(pages, f"/n/projects/{project.id}")
    figures = pages.index.views.of(project).figures
    current = figures.iterations[figures.current_iteration_number - 1]
    found = re.search(rf"<span>Iteration {current['number']}</span>.*?</h3>", page, re.DOTALL)
    assert found
    start, finish = re.findall(r'datetime="([0-9-]+)"', found[0])
    first, last = date.fromisoformat(start), date.fromisoformat(finish)
    assert f"{first:%A}" == project.row["week_start_day"]
    assert (last - first).days == 7 * project.row["iteration_length"] - 1
    assert f"{current['points']:g} planned, {current['accepted_points']:g} accepted" in found[0]


def test_long_panels_come_in_pages_that_hold_each_story_once() -> None:
    world = sample_world(1, LINES * 6)
    project = next(iter(world.projects.values()))
    pages = pages_of(world)
    assert len(re.findall("<li class=.story ", html(pages, f"/n/projects/{project.id}"))) <= LINES * 4
    linked: list[int] = []
    for panel in PANELS[:-1]:
        address: str | None = f"/n/projects/{project.id}/panels/{panel}/1"
        while address:
            page = html(pages, address)
            linked += [int(number) for number in re.findall(r"/story/show/(\d+)", page)]
            following = re.findall(r'class="more" href="([^"]+)"', page)
            number = int(address.rpartition("/")[2]) + 1
            address = next((link for link in following if link.endswith(f"/{number}")), None)
    assert sorted(linked) == sorted(project.stories)


def test_a_story_shows_everything_that_is_known_of_it(pages: Pages, project: Project, world: World) -> None:
    for story in project.stories.values():
        page = html(pages, f"/story/show/{story['id']}")
        text = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", page))
        for task in story["tasks"]:
            assert task["description"] in text
        for comment in story["comments"]:
            assert f'id="comment-{comment["id"]}"' in page
            for file in comment["file_attachments"]:
                assert f"/files/{file['id']}/" in page
        for person_id in (story["requested_by_id"], *story["owner_ids"], *story["follower_ids"]):
            assert escape(world.people[person_id]["name"]) in page
        for label_id in story["label_ids"]:
            assert f">{escape(project.labels[label_id]['name'])}</a>" in page
        for link in story.get("pull_requests") or ():
            assert f"#{link['number']}</a>" in page


def test_history_and_times_in_states_are_shown_where_they_are_known(pages: Pages, project: Project) -> None:
    story_id = project.transitions[0]["story_id"]
    page = html(pages, f"/story/show/{story_id}")
    assert "Time in each state" in page
    assert "<h2>History</h2>" in page


def test_the_history_of_an_export_is_shown_with_its_stories(world: World, tmp_path: Path) -> None:
    again = exported(world, tmp_path)
    pages = pages_of(again)
    shown = timed = 0
    for project in again.projects.values():
        for story_id in list(project.stories)[:20]:
            page = html(pages, f"/story/show/{story_id}")
            of_it = [row for row in project.activity if row["primary_resources"][0]["id"] == story_id]
            assert all(escape(row["message"]) in page for row in of_it)
            assert ("<h2>History</h2>" in page) == bool(of_it)
            assert ("Time in each state" in page) == (
                project.state_history is not None and story_id in project.state_history.whole
            )
            shown += len(of_it)
            timed += "Time in each state" in page
    assert shown > 20
    assert timed > 0


def test_what_an_export_cannot_know_is_not_shown_as_empty(tmp_path: Path) -> None:
    world = sample_world()
    for project in world.projects.values():
        project.activity.clear()  # without a history
    pages = pages_of(exported(world, tmp_path))
    for story_id in list(next(iter(world.projects.values())).stories)[:20]:
        page = html(pages, f"/story/show/{story_id}")
        for heading in ("History", "Time in each state", "Followers"):
            assert heading not in page


def test_files_of_an_export_are_shown_apart_because_it_does_not_say_which_comment_has_them(
    world: World, tmp_path: Path
) -> None:
    of_export = exported(world, tmp_path)
    pages = pages_of(of_export)
    story_id = next(
        story["id"] for project in of_export.projects.values() for story in project.stories.values()
        if any(comment.get("file_attachments") for comment in story.get("comments", ()))
    )  # fmt: skip
    page = html(pages, f"/story/show/{story_id}")
    assert page.index("<h2>Files</h2>") < page.index("/files/")
    assert "not in the export" not in page


NOT_HERE = {
    "/story/show/999999999": "Story #999999999 is not here",
    "/epic/show/999999999": "Epic 999999999 is not here",
    "/n/projects/999999999": "Project 999999999 is not here",
    "/n/projects/999999999/panels/done/1": "Project 999999999 is not here",
    "/story/show/abc": "There is no page at this address",
    "/nothing": "There is no page at this address",
    "/static/../app.py": "There is no page at this address",
    "/static/nothing.css": "There is no page at this address",
    "/story/show/99999999999999999999999": "is not here",
}


@pytest.mark.parametrize(("path", "words"), NOT_HERE.items(), ids=NOT_HERE.keys())
def test_what_is_not_here_is_a_page_that_says_so(path: str, words: str, pages: Pages) -> None:
    response = get(pages, path)
    assert response.status == 404
    assert words in response.body.decode()
    assert 'name="q"' in response.body.decode()


def test_a_panel_has_no_page_beyond_its_last(pages: Pages, project: Project) -> None:
    for page in (0, 1_000):
        assert get(pages, f"/n/projects/{project.id}/panels/icebox/{page}").status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_pages_are_only_read(method: str, pages: Pages) -> None:
    assert get(pages, "/", method).status == 405


def test_each_answer_has_the_headers_that_keep_a_strangers_text_from_acting(pages: Pages, project: Project) -> None:
    for path in ("/", f"/n/projects/{project.id}", "/search?q=a", "/nothing", "/static/style.css", "/search?q=%22"):
        headers = get(pages, path).headers
        assert headers.items() >= HEADERS.items()
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_a_number_alone_leads_straight_to_the_story(pages: Pages, project: Project) -> None:
    story_id, epic_id = next(iter(project.stories)), next(iter(project.epics))
    for text in (
        str(story_id),
        f"#{story_id}",
        f"id:{story_id}",
        f"https://www.pivotaltracker.com/story/show/{story_id}",
    ):
        response = get(pages, f"/search?q={quote(text)}")
        assert (response.status, response.headers.get("Location")) == (302, f"/story/show/{story_id}")
    assert get(pages, f"/search?q={epic_id}").headers["Location"] == f"/epic/show/{epic_id}"


def test_hits_are_marked_and_a_search_says_how_many_there_are(pages: Pages) -> None:
    page = html(pages, "/search?q=invoices")
    total = int(re.findall(r"<h1>([\d,]+) found", page)[0])
    assert total == len(re.findall("<li class=.story ", page)) > 0
    assert re.search("<mark>[Ii]nvoices</mark>", page)


def test_a_search_in_a_project_finds_what_is_in_it_alone(pages: Pages, world: World) -> None:
    for project in world.projects.values():
        page = html(pages, f"/n/projects/{project.id}/search?q=type:feature")
        linked = {int(number) for number in re.findall(r"/story/show/(\d+)", page)}
        assert linked
        assert linked <= set(project.stories)


@pytest.mark.parametrize("query", ["type:story", '"a', "OR", "(", "colour:red"])
def test_a_search_that_is_not_understood_says_which_part(query: str, pages: Pages) -> None:
    response = get(pages, f"/search?q={quote(query)}")
    page = response.body.decode()
    assert response.status == 400
    assert str(Markup('role="alert">{}').format(query)) in page
    assert "Not understood" in page


@pytest.mark.parametrize(
    "query", ["", "   ", "zzzzzzz", "page=x", "a" * 3_000, "%00", "%ff", "\ud800".encode("utf-8", "replace").decode()]
)
def test_odd_searches_are_answered(query: str, pages: Pages) -> None:
    assert get(pages, f"/search?q={quote(query)}").status in (200, 400)


@pytest.mark.parametrize(("page", "status"), [("999999", 200), ("-1", 200), ("", 200), ("x", 404)])
def test_a_page_of_a_search_that_there_is_not_is_the_nearest_one_unless_it_is_no_number(
    page: str, status: int, pages: Pages
) -> None:
    response = get(pages, f"/search?q=a&page={page}")
    if "Location" in response.headers:
        assert "<li class=" in html(pages, response.headers["Location"])
        response = get(pages, response.headers["Location"])
    assert response.status == status


def test_a_search_without_a_letter_or_a_digit_says_so(pages: Pages) -> None:
    for query in ("🚀", "...", "*", "#", "🚀 OR ?"):
        response = get(pages, f"/search?q={quote(query)}")
        assert response.status == 400
        assert "there is neither a letter nor a digit" in response.body.decode()


def test_an_excerpt_is_short_however_long_its_words_are() -> None:
    world = sample_world(1, 12)
    story = next(iter(next(iter(world.projects.values())).stories.values()))
    story["description"] = f"{'A' * 20_000} zebra {'中' * 20_000}"
    page = html(pages_of(world), "/search?q=zebra")
    assert "<mark>zebra</mark>" in page
    assert len(page) < 10_000


def test_a_project_without_stories_has_no_iteration(tmp_path: Path) -> None:
    (tmp_path / "epics_20250401_1212.csv").write_text("Id,Title,Labels,Type\n7,Far away,far,epic\n")
    world, _ = read_exports(sources_at(tmp_path))
    page = html(pages_of(world), f"/n/projects/{next(iter(world.projects))}")
    assert "Far away" in page
    assert "Iteration" not in page
    assert re.search(r'<p class="date">As of <time', page)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_stranger_becomes_markup(text: str) -> None:
    world = hostile_world(text)
    pages = pages_of(world)
    project = next(iter(world.projects.values()))
    paths = [
        "/", f"/n/projects/{project.id}", *(f"/n/projects/{project.id}/panels/{panel}/1" for panel in PANELS),
        *(f"/story/show/{story_id}" for story_id in project.stories), *(f"/epic/show/{i}" for i in project.epics),
        f"/search?q={quote(text)}", "/search?q=type:feature",
    ]  # fmt: skip
    for path in paths:
        elements = Elements(get(pages, path).body.decode())
        assert elements.tags <= TAGS
        assert {name for name in elements.attributes if name.startswith("on") or name in ("style", "srcdoc")} == set()
        assert all(re.match("(/|#|https?://|mailto:)", address) for address in elements.addresses)
        assert all(source.startswith(("/static/", "/files/")) for source in elements.sources)


TAGS = {
    "html", "head", "meta", "title", "link", "script", "body", "a", "header", "nav", "form", "label", "input", "button",
    "main", "footer", "kbd", "h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "div", "span", "section",
    "article", "aside", "dl", "dt", "dd", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "progress",
    "abbr", "bdi", "time", "code", "pre", "mark", "b", "em", "strong", "s", "br", "hr", "blockquote", "img",
}  # fmt: skip
"""The elements of the templates and of Markdown."""


class Elements(HTMLParser):
    """What a browser makes of a page: its elements and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: set[str] = set()
        self.sources: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("href", "action"):
                self.addresses.add(value or "")
            if name == "src":
                self.sources.add(value or "")


def test_the_overview_of_a_project_is_made_once_for_a_version(world: World) -> None:
    pages = pages_of(world)
    project = next(iter(world.projects.values()))
    with world.lock:
        assert pages.overview(project) is pages.overview(project)


HEADER = (
    "Id,Title,Labels,Iteration,Iteration Start,Iteration End,Type,Estimate,Current State,Created at,Accepted at,Comment"
)
AWKWARD = {
    "a header only": HEADER,
    "no iterations": f"{HEADER}\n1,A,,,,,feature,,unscheduled,,,",
    "no type and no state": "Id,Title\n1,A\n2,",
    "epics alone": f"{HEADER}\n9,E,e,,,,epic,,,,,",
    "accepted without a day": f"{HEADER}\n1,A,,5,,,feature,3,accepted,,,",
    "an old project at rest": f"{HEADER}\n"
    '1,A,a,1,"Jan 5, 2009","Jan 11, 2009",bug,,accepted,"Jan 6, 2009","Jan 7, 2009",x',
    "points without a scale": f"{HEADER}\n1,A,,,,,feature,0.5,unstarted,,,\n2,B,,,,,chore,8,planned,,,",
    "a story without a name": f'{HEADER}\n1,,,,,,release,,unstarted,"Jan 6, 2019",,',
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD.keys())
def test_every_page_of_an_awkward_export_is_there(text: str, tmp_path: Path) -> None:
    (tmp_path / "awkward.csv").write_text(f"{text}\n", encoding="utf-8")
    world = read_exports(sources_at(tmp_path / "awkward.csv"))[0]
    pages = pages_of(world)
    html(pages, "/")
    for project in world.projects.values():
        html(pages, f"/n/projects/{project.id}")
        for panel in PANELS:
            html(pages, f"/n/projects/{project.id}/panels/{panel}/1")
        for story_id in project.stories:
            html(pages, f"/story/show/{story_id}")
        for epic_id in project.epics:
            html(pages, f"/epic/show/{epic_id}")
    html(pages, "/search?q=a")


def test_a_project_that_has_changed_since_the_start_is_a_page_that_says_so(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"{HEADER}\n{len(name) + ord(name[0])},A,,,,,feature,,unscheduled,,,\n")
    world = read_exports(sources_at(tmp_path), most_in_memory=1)[0]
    pages = pages_of(world)
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"{HEADER}\n7,B,,,,,bug,,unscheduled,,,\n")
    answers = [get(pages, f"/n/projects/{project_id}") for project_id in world.projects]
    assert {answer.status for answer in answers} == {200, 500}
    failed = next(answer for answer in answers if answer.status == 500)
    assert "has changed or is damaged since it was opened. Start the server again." in failed.body.decode()
    first = html(pages, "/")
    assert "has changed or is damaged since it was opened. Start the server again." in first
    assert first.count('<a class="name" href="/n/projects/') == 2
    searched = html(pages, "/search?q=type:feature")
    assert "<h1>1 found" in searched
    assert (
        "Not searched: two.csv has changed or is damaged since it was opened." in searched
        or "Not searched: one.csv has changed" in searched
    )


def test_the_first_page_names_projects_that_it_has_no_time_to_count(world: World) -> None:
    pages = Pages(SearchIndex(Views(world)), most_seconds_of_counting=0)
    page = html(pages, "/")
    assert f"<h1>{len(world.projects)} projects</h1>" in page
    assert page.count("Being counted") == len(world.projects)
    pages.warm(lambda: False)
    assert "Being counted" not in html(pages, "/")


def test_any_number_of_short_texts_is_shown_and_few_of_them_are_rendered() -> None:
    world = sample_world(1, 12)
    story = next(iter(next(iter(world.projects.values())).stories.values()))
    story["tasks"] = [{"id": number, "description": f"*t{number}*", "complete": False} for number in range(8_000)]
    page = html(pages_of(world), f"/story/show/{story['id']}")
    assert "<em>t0</em>" in page
    assert page.count("<em>") < 4_000
    assert "*t7999*" in page


def test_more_hits_of_a_search_in_a_project_are_of_the_same_project() -> None:
    world = sample_world(2, 80)
    pages = pages_of(world)
    project_id = next(iter(world.projects))
    (more,) = re.findall('href="([^"]+page=2)"', html(pages, f"/n/projects/{project_id}/search?q=-type:epic"))
    linked = set(map(int, re.findall(r"/story/show/(\d+)", html(pages, more))))
    assert linked
    assert linked <= set(world.projects[project_id].stories)


def test_a_project_that_comes_while_others_are_indexed_is_found_by_its_name() -> None:
    world = sample_world(2, 12)
    later = world.projects.pop(next(iter(world.projects)))

    class Growing(SearchIndex):
        def update_all(self, stopped: Callable[[], bool] = lambda: False) -> list[str]:
            world.projects[later.id] = later
            return super().update_all(stopped)

    pages = Pages(Growing(Views(world)))
    assert f"{later.row['name']}, #" in html(pages, "/search?q=-type:epic")


def test_a_story_that_blocks_all_others_has_the_first_of_them_on_its_page() -> None:
    world = sample_world(1, 620)
    project = next(iter(world.projects.values()))
    first, *others = project.stories
    project.stories[first]["blocked_story_ids"] = others
    page = html(pages_of(world), f"/story/show/{first}")
    assert f"{len(others)}, the first 500 are here" in page
    assert len(set(re.findall(r"/story/show/(\d+)", page)) & set(map(str, others))) == 500


def test_a_file_of_a_zip_that_has_changed_is_a_page_that_says_so(tmp_path: Path) -> None:
    world = exported(sample_world(1, 12), tmp_path)
    (file_id,) = list(world.files)[:1]
    (tmp_path / "export.zip").write_bytes(b"PK no zip any more")
    answer = get(pages_of(world), f"/files/{file_id}/a.png")
    assert answer.status == 404
    assert "The file cannot be read" in answer.body.decode()


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00", "soon", "9999-12-31"])
def test_a_time_that_is_none_is_shown_as_it_is_written(time: str) -> None:
    world = sample_world(1, 12)
    story = next(iter(next(iter(world.projects.values())).stories.values()))
    story["deadline"] = time
    assert time in html(pages_of(world), f"/story/show/{story['id']}")


UNPLANNED = (
    "Id,Title,Iteration,Iteration Start,Iteration End,Type,Current State,Created at,Accepted at\n"
    '1,Planned,2,"Jan 8, 2024","Jan 14, 2024",feature,started,"Jan 1, 2024",\n'
    '2,Behind,,,,feature,unstarted,"Jan 1, 2024",\n'
    '3,At work,,,,feature,started,"Jan 1, 2024",\n'
    "4,Long done,,,,feature,accepted,,\n"
    '5,On ice,,,,feature,unscheduled,"Jan 1, 2024",\n'
)


def test_each_story_is_in_one_panel_also_where_nothing_says_in_which_iteration(tmp_path: Path) -> None:
    (tmp_path / "my_project_20240110_1200.csv").write_text(UNPLANNED)
    world = read_exports(sources_at(tmp_path))[0]
    (project,) = world.projects.values()
    board = Board(Views(world).of(project))
    found = {
        panel.name: [line.id for group in panel.groups for line in group.lines]
        for panel in board.panels()
        if panel.name != "epics"
    }
    assert found == {"done": [4], "current": [1, 3], "backlog": [2], "icebox": [5]}
    assert html(pages_of(world), f"/n/projects/{project.id}").count("In no iteration") == 3
