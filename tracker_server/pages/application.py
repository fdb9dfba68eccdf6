"""Answers requests for pages, at the addresses that Tracker had."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule

from tracker_server.downloads import FILE_ERRORS, download_headers, problem_of
from tracker_server.http_message import Request, Response
from tracker_server.pages.board import Board
from tracker_server.pages.links import PANELS, Links, ServedLinks
from tracker_server.pages.markdown import Known, Markdown
from tracker_server.pages.mentions import Mentions
from tracker_server.pages.overview import Overview, overview
from tracker_server.pages.rendering import POLICY, Renderer, etag, static_files
from tracker_server.pages.story import epic_page, story_page
from tracker_server.search.index import SearchIndex, SearchTooLong
from tracker_server.search.parsing import QueryError, parse
from tracker_server.world import Project, Row, UnreadableProject

PAGE_SIZE, MOST_PAGES = 50, 200
"""Hits on a page of the search, and how many pages there are at most."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CACHED = "max-age=3600"


class NotHere(LookupError):
    """What a page was asked for is not in the world: a heading and an explanation."""

    def __init__(self, heading: str, explanation: str) -> None:
        super().__init__(heading)
        self.heading = heading
        self.explanation = explanation


class Pages:
    """The pages of the world that an index is of.

    `links_at` gives the addresses as seen from the page at a path. `most_seconds_of_counting` is what the first page
    spends on projects that are not counted yet; it names the others.
    """

    def __init__(
        self,
        index: SearchIndex,
        links_at: Callable[[str], Links] = lambda _: ServedLinks(),
        most_seconds_of_counting: float = 1.0,
    ) -> None:
        self.index = index
        self.world = index.views.world
        self.links_at = links_at
        self._most_seconds_of_counting = most_seconds_of_counting
        known = Known(
            story=lambda number: self.world.with_story(number) is not None,
            epic=lambda number: self.world.with_epic(number) is not None,
            project=lambda number: number in self.world.projects,
            person=Mentions(self.world.people).name_of,
        )
        self._markdown = Markdown(known)
        self._renderer = Renderer(self._markdown)
        self._overviews: dict[int, tuple[int, Overview]] = {}
        self._routes = Map(
            [Rule(path, endpoint=endpoint) for path, endpoint in self._paths().items()], strict_slashes=False
        ).bind("")

    def _paths(self) -> dict[str, Callable[..., Response]]:
        project, panel = "<int:project_id>", f"<any({', '.join(PANELS)}):panel>"
        return {
            "/": self._home,
            "/projects": self._home,
            "/dashboard": self._home,
            f"/n/projects/{project}": self._board,
            f"/projects/{project}": self._board,
            f"/s/projects/{project}": self._board,
            f"/n/projects/{project}/panels/{panel}": self._panel,
            f"/n/projects/{project}/panels/{panel}/<int:page>": self._panel,
            f"/n/projects/{project}/search": self._search,
            "/search": self._search,
            "/story/show/<int:story_id>": self._story,
            "/stories/<int:story_id>": self._story,
            "/stories/show/<int:story_id>": self._story,
            f"/n/projects/{project}/stories/<int:story_id>": self._story,
            f"/projects/{project}/stories/<int:story_id>": self._story,
            "/story/show/<int:story_id>/comments/<int:comment_id>": self._story_comment,
            f"/n/projects/{project}/stories/<int:story_id>/comments/<int:comment_id>": self._story_comment,
            f"/projects/{project}/stories/<int:story_id>/comments/<int:comment_id>": self._story_comment,
            "/epic/show/<int:epic_id>": self._epic,
            "/epics/<int:epic_id>": self._epic,
            f"/n/projects/{project}/epics/<int:epic_id>": self._epic,
            f"/projects/{project}/epics/<int:epic_id>": self._epic,
            "/epic/show/<int:epic_id>/comments/<int:comment_id>": self._epic_comment,
            f"/n/projects/{project}/epics/<int:epic_id>/comments/<int:comment_id>": self._epic_comment,
            f"/projects/{project}/epics/<int:epic_id>/comments/<int:comment_id>": self._epic_comment,
            "/static/<name>": self._static,
            "/files/<int:file_id>/<name>": self._file,
        }

    def warm(self, stopped: Callable[[], bool]) -> None:
        """Make what the first page and the search need, until it is done or `stopped` says so."""
        for project_id in list(self.world.projects):
            # The page of a project that cannot be read says so.
            with suppress(UnreadableProject):
                self.index.update_slowly(project_id, stopped)
                with self.world.lock:
                    if not stopped() and (project := self.world.projects.get(project_id)):
                        self.overview(project)

    def handle(self, request: Request) -> Response:
        """The page at the path of a request, or one that says why there is none."""
        try:
            return self.answer(request)
        except UnreadableProject as error:
            explanation = f"{error}. Start the server again."
            return self._missing(500, request.path, "The export cannot be read again", explanation)

    def answer(self, request: Request) -> Response:
        """As `handle`, but raises UnreadableProject."""
        if request.method not in ("GET", "HEAD"):
            refused = self._missing(405, request.path, "Read-only", "These pages can be read, and not changed.")
            refused.headers["Allow"] = "GET, HEAD"
            return refused
        try:
            endpoint, arguments = self._routes.match(request.path)
            query = dict(parse_qsl(request.query, keep_blank_values=True, max_num_fields=20))
            answer: Response = endpoint(request, query, **arguments)
            return answer
        except NotHere as missing:
            return self._missing(404, request.path, missing.heading, missing.explanation)
        except (HTTPException, ValueError):  # ValueError: a query with too many fields, or a page that is no number
            return self._missing(404, request.path, "Not here", "There is no page at this address.")

    def _missing(self, status: int, path: str, heading: str, explanation: str) -> Response:
        return self._response("missing.html", path, status, heading=heading, explanation=explanation)

    def _response(self, template: str, path: str, status: int = 200, **data: Any) -> Response:
        html = self._renderer.html(template, self.links_at(path), **data)
        headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache", **HEADERS}
        return Response(status, headers, html.encode("utf-8", "replace"))

    def _home(self, request: Request, _: Mapping[str, str]) -> Response:
        end = time.monotonic() + self._most_seconds_of_counting
        counted: list[Overview] = []
        uncounted: list[tuple[Row, str]] = []
        for project_id in list(self.world.projects):
            with self.world.lock:
                project = self.world.projects.get(project_id)
                if project is None:
                    continue
                try:
                    if project_id in self._overviews or time.monotonic() < end:
                        counted.append(self.overview(project))
                    else:
                        uncounted.append((project.row, ""))
                except UnreadableProject as error:
                    uncounted.append((project.row, str(error)))
        counted.sort(key=lambda project: project.name.casefold())
        return self._response("overview.html", request.path, projects=counted, uncounted=uncounted)

    def overview(self, project: Project) -> Overview:
        """What is said of a project, made once for each of its versions. Hold the world's lock."""
        known = self._overviews.get(project.id)
        if known is None or known[0] != project.version:
            known = self._overviews[project.id] = project.version, overview(self.index.views.of(project))
        return known[1]

    def _project(self, project_id: int) -> Project:
        project = self.world.projects.get(project_id)
        if project is None:
            raise NotHere(f"Project {project_id} is not here", "The first page lists all projects that are.")
        return project

    def _board(self, request: Request, _: Mapping[str, str], project_id: int) -> Response:
        with self.world.lock:
            project = self._project(project_id)
            panels = Board(self.index.views.of(project)).panels()
            about = self.overview(project)
        return self._response("board.html", request.path, project=about, panels=panels)

    def _panel(self, request: Request, _: Mapping[str, str], project_id: int, panel: str, page: int = 1) -> Response:
        with self.world.lock:
            project = self._project(project_id)
            try:
                shown = Board(self.index.views.of(project)).panel(panel, page)
            except LookupError:
                raise NotHere("There is no such page", f"{panel.capitalize()} has fewer pages.") from None
            about = self.overview(project)
        return self._response("panel.html", request.path, project=about, panel=shown)

    def _story(self, request: Request, _: Mapping[str, str], story_id: int, project_id: int | None = None) -> Response:
        with self.world.lock:
            project = self.world.with_story(story_id)
            if project is None:
                return _redirect(self._with_number(story_id, self.links_at(request.path), "Story #{}"))
            story = story_page(self.index.views.of(project), story_id)
        return self._response("story.html", request.path, story=story)

    def _epic(self, request: Request, _: Mapping[str, str], epic_id: int, project_id: int | None = None) -> Response:
        with self.world.lock:
            project = self.world.with_epic(epic_id)
            if project is None:
                return _redirect(self._with_number(epic_id, self.links_at(request.path), "Epic {}"))
            epic = epic_page(self.index.views.of(project), epic_id)
        return self._response("epic.html", request.path, epic=epic)

    def _story_comment(
        self, request: Request, _: Mapping[str, str], story_id: int, comment_id: int, project_id: int | None = None
    ) -> Response:
        page = self._with_number(story_id, self.links_at(request.path), "Story #{}")
        return _redirect(f"{page}#comment-{comment_id}")

    def _epic_comment(
        self, request: Request, _: Mapping[str, str], epic_id: int, comment_id: int, project_id: int | None = None
    ) -> Response:
        page = self._with_number(epic_id, self.links_at(request.path), "Epic {}")
        return _redirect(f"{page}#comment-{comment_id}")

    def _with_number(self, number: int, links: Links, called: str) -> str:
        """The page of the story or the epic with a number, whatever it was `called`. Raises NotHere."""
        if (page := self._page_of(number, links)) is None:
            raise NotHere(f"{called.format(number)} is not here", "It was deleted, or its project is not among these.")
        return page

    def _page_of(self, number: int, links: Links) -> str | None:
        """The page of the story or the epic with a number, if it is here."""
        with self.world.lock:
            if self.world.with_story(number) is not None:
                return links.story(number)
            return links.epic(number) if self.world.with_epic(number) is not None else None

    def _search(self, request: Request, query: Mapping[str, str], project_id: int | None = None) -> Response:
        links = self.links_at(request.path)
        if not links.has_search:
            return self._response("search_static.html", request.path)
        text = query.get("q", "").strip()
        page = min(max(int(query.get("page") or 1), 1), MOST_PAGES)
        data: dict[str, Any] = {
            "query": text, "page": page, "size": PAGE_SIZE, "most_pages": MOST_PAGES, "names": {},
            "results": None, "problem": None, "problems": (),
        }  # fmt: skip
        data["page_at"] = partial(links.search, text, project_id=project_id)
        if not text:
            return self._response("search.html", request.path, heading="Search", **data)
        with self.world.lock:
            if project_id is not None:
                self._project(project_id)
            if (here := self._markdown.here(text, links)) is not None:
                return _redirect(here)
        data["problems"] = self.index.update_all()
        status, heading = 200, ""
        try:
            parsed = parse(text, self.index.today())
            if parsed.only_id is not None and (here := self._page_of(parsed.only_id, links)) is not None:
                return _redirect(here)
            results = self.index.search(parsed, project_id, (page - 1) * PAGE_SIZE, PAGE_SIZE)
            if results.total and not results.hits:
                return _redirect(data["page_at"](min(math.ceil(results.total / PAGE_SIZE), MOST_PAGES)))
            data["results"] = results
            with self.world.lock:  # after the search, because others may add projects and remove them
                data["names"] = {project.id: project.row["name"] for project in self.world.projects.values()}
        except QueryError as problem:
            status, heading = 400, "Not understood"
            data["problem"] = f"{problem.part}: {problem.problem}."
        except SearchTooLong as problem:
            status, heading = 503, "Given up"
            data["problem"] = f"{problem}."
        return self._response("search.html", request.path, status, heading=heading, **data)

    def _file(self, request: Request, query: Mapping[str, str], file_id: int, name: str) -> Response:
        file = self.world.files.get(file_id)
        if file is None:
            raise NotHere("The file is not here", "It is not among the exports.")
        try:
            opened = file.open()
        except FILE_ERRORS as error:
            raise NotHere("The file cannot be read", f"{problem_of(error)}.") from None
        return Response(200, download_headers(file, inline=query.get("inline") == "true"), b"", opened)

    def _static(self, request: Request, _: Mapping[str, str], name: str) -> Response:
        if name not in static_files():
            raise NotFound
        content_type, content = static_files()[name]
        headers = {"Content-Type": content_type, "ETag": etag(name), "Cache-Control": CACHED, **HEADERS}
        if etag(name) in request.header("If-None-Match"):
            return Response(304, headers, b"")
        return Response(200, headers, content)


def _redirect(address: str) -> Response:
    return Response(302, {"Location": address, "Content-Type": "text/plain; charset=utf-8", **HEADERS}, b"")
