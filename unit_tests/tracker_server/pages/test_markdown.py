"""What Tracker's Markdown becomes."""

from __future__ import annotations

import time

import pytest

from tracker_server.pages.links import RelativeLinks, ServedLinks
from tracker_server.pages.markdown import LONGEST, Known, Markdown

MARKDOWN = Markdown(
    Known(story=lambda i: i == 123, epic=lambda i: i == 9, project=lambda i: i == 7, person={"ann": 'Ann "A" B'}.get)
)
ELSEWHERE = 'rel="noopener noreferrer nofollow"'

RENDERED = {
    "a **b** _c_ `d` ~~e~~": "<p>a <strong>b</strong> <em>c</em> <code>d</code> <s>e</s></p>\n",
    "a\nb": "<p>a<br>\nb</p>\n",
    "# A\n\n> b\n\n- c\n": "<h1>A</h1>\n<blockquote>\n<p>b</p>\n</blockquote>\n<ul>\n<li>c</li>\n</ul>\n",
    "```\n<b> #123 @ann\n```": "<pre><code>&lt;b&gt; #123 @ann\n</code></pre>\n",
    "see #123": f'<p>see <a href="/story/show/123" class="reference" {ELSEWHERE}>#123</a></p>\n',
    "(#123)": f'<p>(<a href="/story/show/123" class="reference" {ELSEWHERE}>#123</a>)</p>\n',
    "#9": f'<p><a href="/epic/show/9" class="reference" {ELSEWHERE}>#9</a></p>\n',
    "#124 and C#123": "<p>#124 and C#123</p>\n",
    "@bob": "<p>@bob</p>\n",
    "@ann, a@b.com": '<p><a href="/search?q=person%3A%22Ann+%5C%22A%5C%22+B%22" class="reference"'
    f' {ELSEWHERE}>@ann</a>, <a href="mailto:a@b.com" {ELSEWHERE}>a@b.com</a></p>\n',
    "https://x.example/a": f'<p><a href="https://x.example/a" {ELSEWHERE}>https://x.example/a</a></p>\n',
    "<b>x</b>": "<p>&lt;b&gt;x&lt;/b&gt;</p>\n",
    "[a](javascript:x)": "<p>[a](javascript:x)</p>\n",
    "[a](/n/projects/1)": f"<p><a {ELSEWHERE}>a</a></p>\n",
    "![a](https://x.example/a.png)": f'<p><a href="https://x.example/a.png" {ELSEWHERE}>a</a></p>\n',
    "![a](a.png)": "<p>a</p>\n",
    "|a|\n|-|\n|b|": "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n"
    "<tbody>\n<tr>\n<td>b</td>\n</tr>\n</tbody>\n</table>\n",
}


@pytest.mark.parametrize(("text", "html"), RENDERED.items(), ids=RENDERED.keys())
def test_a_text_becomes_this(text: str, html: str) -> None:
    assert MARKDOWN.html(text, ServedLinks()) == html


TRACKER = "https://www.pivotaltracker.com"


@pytest.mark.parametrize(
    ("address", "here"),
    [
        (f"{TRACKER}/story/show/123", "/story/show/123"),
        (f"{TRACKER}/n/projects/7/stories/123", "/story/show/123"),
        (f"{TRACKER}/n/projects/7/stories/123/comments/5", "/story/show/123"),
        (f"{TRACKER}/projects/7/stories/123#comment-5", "/story/show/123"),
        (f"{TRACKER}/epic/show/9", "/epic/show/9"),
        (f"{TRACKER}/n/projects/7/epics/9", "/epic/show/9"),
        (f"{TRACKER}/n/projects/7", "/n/projects/7"),
        ("http://pivotaltracker.com/story/show/123", "/story/show/123"),
        ("www.pivotaltracker.com/story/show/123", "/story/show/123"),
        ("HTTPS://www.PivotalTracker.com/story/show/123", "/story/show/123"),
        ("https://www.pivotaltracker.com:443/n/projects/7", "/n/projects/7"),
        (f"{TRACKER}/story/show/124", None),
        (f"{TRACKER}/n/projects/8", None),
        ("https://elsewhere.example/story/show/123", None),
        ("https://www.pivotaltracker.com.elsewhere.example/story/show/123", None),
    ],
)
def test_an_address_of_tracker_leads_to_what_is_here(address: str, here: str | None) -> None:
    assert MARKDOWN.here(address, ServedLinks()) == here
    assert f'href="{here or address}"' in MARKDOWN.html(f"see {address} .", ServedLinks())


def test_in_a_static_copy_links_are_relative() -> None:
    assert 'href="../123/index.html"' in MARKDOWN.html("#123", RelativeLinks("/story/show/5"))


COSTLY = {
    "long": "a" * LONGEST, "open brackets": "[" * 20_000, "open emphasis": "*a " * 15_000, "quotations": "> " * 10_000,
    "backticks": "a`" * 15_000, "references": "#123 " * 9_000, "lists": "- " * 5_000, "links": "[a](" * 10_000,
    "schemes": "x://" * 12_000, "hosts": "http://[::" * 4_500, "parentheses": "http://((" * 5_000,
    "pictures": "![" * 20_000,
}  # fmt: skip


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY.keys())
def test_a_text_that_would_cost_much_is_shown_to_its_end(text: str) -> None:
    begin = time.process_time()
    assert "the end" in MARKDOWN.html(f"{text}the end", ServedLinks())
    assert time.process_time() - begin < 3


@pytest.mark.parametrize("use", ["[x]", "![x]", "[a][x]"])
@pytest.mark.parametrize("title", ["", ' "' + "t" * 20_000 + '"'])
def test_an_address_that_a_text_leads_to_many_times_is_not_written_each_time(use: str, title: str) -> None:
    text = f"[x]: https://x.example/{'a' * 20_000}{title}\n\n{use * 1_000}the end"
    html = MARKDOWN.html(text, ServedLinks())
    assert "the end" in html
    assert len(html) < 1_000_000


def test_a_long_text_with_many_links_is_rendered() -> None:
    text = "\n".join(f"- [{i}](https://x.example/{i}) and https://x.example/b{i}" for i in range(400))
    assert MARKDOWN.html(text, ServedLinks()).count("<a ") == 800
