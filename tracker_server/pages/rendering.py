"""Templates: how data becomes HTML. Every text is a stranger's, so all of it is escaped unless Markdown made it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tracker_server.pages.links import Links
from tracker_server.pages.markdown import Markdown, as_it_is
from tracker_server.search.documents import END, START
from tracker_server.search.parsing import quoted

POLICY = "; ".join(
    (
        "default-src 'none'", "style-src 'self'", "script-src 'self'", "img-src 'self'", "connect-src 'self'",
        "form-action 'self'", "base-uri 'none'",
    )
)  # fmt: skip
"""The Content-Security-Policy of every page: nothing inline, and nothing from any other host."""

MOST_MARKDOWN = 300_000
"""Characters that are rendered as Markdown on one page; what comes after them is shown as it is."""
COST_OF_A_TEXT = 100
"""Characters that take as long as it takes to begin with a text: a story may have any number of short ones."""


class Renderer:
    """Renders templates for one world."""

    def __init__(self, markdown: Markdown) -> None:
        self._markdown = markdown
        self._environment = Environment(
            loader=PackageLoader("tracker_server.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            day=_day,
            when=_when,
            number=_number,
            size=_size,
            duration=_duration,
            marked=_marked,
            words=_words,
            quoted=quoted,
        )

    def html(self, template: str, links: Links, **data: Any) -> str:
        """A page. `links` are the addresses as seen from it."""
        left = MOST_MARKDOWN

        def markdown(text: str) -> Markup:
            nonlocal left
            left -= len(text) + COST_OF_A_TEXT
            return self._markdown.html(text, links) if left >= 0 else as_it_is(text)

        return self._environment.get_template(template).render(links=links, markdown=markdown, policy=POLICY, **data)


@cache
def static_files() -> dict[str, tuple[str, bytes]]:
    """The stylesheet, the scripts and the icon, by name: the content type of each, and its bytes."""
    folder = resources.files("tracker_server.pages") / "static"
    types = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
    return {
        file.name: (types[file.name[file.name.rindex(".") :]], file.read_bytes())
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.is_file()
    }


@cache
def etag(name: str) -> str:
    """The ETag of a static file. Raises KeyError if there is no such file."""
    return f'"{hashlib.sha256(static_files()[name][1]).hexdigest()[:16]}"'


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _day(text: object) -> str | Markup:
    """A time as a day, such as 3 May 2017, with all of it in its title."""
    moment = _moment(text)
    if moment is None:
        return escape(text or "")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        text, f"{moment:%Y-%m-%d %H:%M} UTC", f"{moment.day} {moment:%b %Y}"
    )


def _when(text: object) -> str | Markup:
    """A time as a day, and the time of the day unless that is midnight, as it is where only the day is known."""
    moment = _moment(text)
    if moment is None or not (moment.hour or moment.minute or moment.second):
        return _day(text)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        text, f"{moment:%Y-%m-%d %H:%M:%S} UTC", f"{moment.day} {moment:%b %Y, %H:%M}"
    )


def _number(value: float | None) -> str:
    """A number with commas, and without a fraction where it is whole."""
    if value is None:
        return ""
    return f"{int(value):,}" if value == int(value) else f"{value:,g}"


def _size(size: int | None) -> str:
    if size is None:
        return ""
    for unit, least in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= least:
            return f"{size / least:.1f} {unit}"
    return "1 byte" if size == 1 else f"{size} bytes"


def _duration(milliseconds: int) -> str:
    minutes = milliseconds // 60_000
    for unit, least in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if minutes >= least:
            count = round(minutes / least, 1 if unit == "day" else 0)
            return f"{_number(count)} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def _marked(text: str) -> Markup:
    """A text with its hits marked, which stand between START and END."""
    escaped = str(escape(text))
    return Markup(escaped.replace(START, "<mark>").replace(END, "</mark>"))  # noqa: S704  # escaped above


def _words(name: str) -> str:
    return name.replace("_", " ")
