"""Tracker's Markdown as HTML that is safe to show: `#123`, `@name` and pictures from elsewhere become links."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from tracker_server.pages.links import Links
from tracker_server.search.parsing import quoted

LONGEST = 50_000
"""Characters; Tracker's own texts have at most 20,000. A longer one is shown as it is."""
DEEPEST = 40
"""Lists and quotations in each other; a text with more is shown as it is."""
MOST_COST = 20_000_000
"""Characters of a paragraph times the brackets and addresses in it, which the parser may walk through for each."""
MOST_ADDRESSES = 500_000
"""Characters of all addresses and titles of links: a text may name an address once, and lead to it a thousand times."""
TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title", "class"}, "ol": {"start"}, "th": {"align"}, "td": {"align"}}
SCHEMES = {"http", "https", "mailto"}

REFERENCE = "reference"
"""The class of the links that `#123` and `@name` become."""

_COSTLY = re.compile(r"\[|://")
_ELSEWHERE = re.compile("(?:https?://|mailto:)", re.IGNORECASE)
_REFERENCE = re.compile(r"#([0-9]{1,18})\b|@([A-Za-z][\w.-]{0,60}\w|[A-Za-z])")
_HOST = r"(?i:(?:https?://)?(?:www[.])?pivotaltracker[.]com)(?::80|:443)?"
_TRACKER = re.compile(
    rf"{_HOST}/(?:n/|s/)?(?:projects/[0-9]+/)?(?P<kind>stor(?:y/show|ies)|epic(?:/show|s))"
    r"/(?P<id>[0-9]{1,18})(?:[#?/].*)?"
)
_PROJECT = re.compile(rf"{_HOST}/(?:n/|s/)?projects/(?P<id>[0-9]{{1,18}})/?")


@dataclass(frozen=True)
class Known:
    """What a text can lead to: whether the story, the epic or the project with an id is here, and who is mentioned.

    `person` gives the name to search for, None for a mention of nobody.
    """

    story: Callable[[int], bool]
    epic: Callable[[int], bool]
    project: Callable[[int], bool]
    person: Callable[[str], str | None]


class _TooMuch(Exception):
    """A text would cost too much to render."""


class Markdown:
    """Renders texts for pages."""

    def __init__(self, known: Known) -> None:
        self._known = known
        parser = MarkdownIt("commonmark", {"html": False, "linkify": True, "breaks": True, "maxNesting": DEEPEST})
        parser.enable(["table", "strikethrough", "linkify"])
        parser.inline.ruler.push("reference", self._reference)
        parser.core.ruler.before("inline", "costs", _refuse_costs)
        parser.add_render_rule("image", _image_as_link)
        self._parser = parser

    def html(self, text: str, links: Links) -> Markup:
        """A text as HTML."""
        env: dict[str, Any] = {"links": links}
        try:
            tokens = self._tokens(text, env)
        except _TooMuch:
            return as_it_is(text)
        self._lead_here(tokens, links)
        html = self._parser.renderer.render(tokens, self._parser.options, env)
        return Markup(  # noqa: S704  # nh3 has cleaned it
            nh3.clean(
                html, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel="noopener noreferrer nofollow"
            )
        )

    def _tokens(self, text: str, env: dict[str, Any]) -> Sequence[Token]:
        """The text as tokens. Raises _TooMuch."""
        if len(text) > LONGEST:
            raise _TooMuch
        tokens = self._parser.parse(text, env)
        # The parser leaves out what is nested more deeply.
        if any(token.level >= DEEPEST - 1 for token in tokens) or _addresses(tokens) > MOST_ADDRESSES:
            raise _TooMuch
        return tokens

    def _reference(self, state: StateInline, silent: bool) -> bool:
        start = state.pos
        if start and re.match(r"[\w/&#@.-]", state.src[start - 1]):
            return False
        found = _REFERENCE.match(state.src, start)
        if not found or state.linkLevel:
            return False
        number, name = found.groups()
        links: Links = state.env["links"]
        if number and self._known.story(int(number)):
            href = links.story(int(number))
        elif number and self._known.epic(int(number)):
            href = links.epic(int(number))
        elif name and (person := self._known.person(name)):
            href = links.search(f"person:{quoted(person)}")
        else:
            return False
        if not silent:
            opened = state.push("link_open", "a", 1)
            opened.attrs = {"href": href, "class": REFERENCE}
            state.push("text", "", 0).content = found[0]
            state.push("link_close", "a", -1)
        state.pos = found.end()
        return True

    def _lead_here(self, tokens: Sequence[Token], links: Links) -> None:
        """Lets links to Tracker, which has closed, lead to what is here; an address without a host leads nowhere."""
        for token in tokens:
            if token.children:
                self._lead_here(token.children, links)
            if token.type != "link_open" or token.attrGet("class") == REFERENCE:
                continue
            address = str(token.attrGet("href") or "")
            if here := self.here(address, links):
                token.attrSet("href", here)
            elif not _ELSEWHERE.match(address):
                token.attrs.pop("href", None)

    def here(self, address: str, links: Links) -> str | None:
        """The page of what had this address in Tracker, if it is here."""
        if found := _PROJECT.fullmatch(address):
            return links.project(int(found["id"])) if self._known.project(int(found["id"])) else None
        found = _TRACKER.fullmatch(address)
        if found is None:
            return None
        number = int(found["id"])
        if found["kind"].startswith("epic"):
            return links.epic(number) if self._known.epic(number) else None
        return links.story(number) if self._known.story(number) else None


def _refuse_costs(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and len(token.content) * len(_COSTLY.findall(token.content)) > MOST_COST:
            raise _TooMuch


def _addresses(tokens: Sequence[Token]) -> int:
    """The characters of all attributes of links and pictures."""
    own = sum(len(str(value)) for token in tokens for value in token.attrs.values())
    return own + sum(_addresses(token.children) for token in tokens if token.children)


def _image_as_link(_self: RendererHTML, tokens: Sequence[Token], index: int, _: OptionsDict, __: EnvType) -> str:
    """A picture from elsewhere as a link: a page asks no other host for anything."""
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    if not _ELSEWHERE.match(source):
        return str(escape(token.content))
    return str(Markup('<a href="{}">{}</a>').format(source, token.content or source))


def as_it_is(text: str) -> Markup:
    """A text as HTML, with every character of its Markdown to be seen."""
    return Markup("<pre class=long>{}</pre>").format(text)
