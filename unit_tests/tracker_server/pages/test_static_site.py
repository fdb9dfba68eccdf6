"""The copy that needs no server: its links, its bytes, its files, and the folder that it is written to."""

from __future__ import annotations

import hashlib
import posixpath
import re
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit
from zipfile import BadZipFile

import pytest

from tracker_server.file_names import safe_name
from tracker_server.pages.static_search import folded
from tracker_server.pages.static_site import WRITTEN, SiteError, StaticSite
from tracker_server.world import Project, StoredFile, UnreadableProject, World
from unit_tests.tracker_server.pages.worlds import HOSTILE, exported, hostile_world, sample_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return exported(sample_world(2, 40), tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def site(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "new" / "folder"
    assert StaticSite(world, out).write() == 80
    return out


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def test_every_link_leads_to_a_file_of_the_copy(site: Path) -> None:
    checked = 0
    for page in site.rglob("*.html"):
        for address in re.findall(r'(?:href|src|action|url)="?([^"#> ]+)', page.read_text("utf-8")):
            address = address.replace("&amp;", "&").replace("&#34;", '"')
            if urlsplit(address).scheme:
                assert address.startswith(("http://", "https://", "mailto:"))
                continue
            target = unquote(urlsplit(address).path)
            assert not target.startswith("/")
            path = posixpath.normpath(posixpath.join(page.parent.as_posix(), target))
            assert Path(path).is_file(), (page, address)
            checked += 1
    assert checked > 1_000


def test_each_address_of_tracker_has_a_file(site: Path, world: World) -> None:
    for project in world.projects.values():
        assert (site / f"n/projects/{project.id}/index.html").is_file()
        for story_id in project.stories:
            for path in (
                f"story/show/{story_id}",
                f"n/projects/{project.id}/stories/{story_id}",
                f"projects/{project.id}/stories/{story_id}",
            ):
                assert (site / path / "index.html").is_file()
        for epic_id in project.epics:
            assert (site / f"epic/show/{epic_id}/index.html").is_file()


def test_a_second_run_writes_the_same_bytes(site: Path, world: World, tmp_path: Path) -> None:
    before = contents(site)
    StaticSite(world, site).write()
    assert contents(site) == before
    StaticSite(world, tmp_path / "other").write()
    assert contents(tmp_path / "other") == before


def test_files_are_in_the_copy(site: Path, world: World) -> None:
    assert world.files
    for file_id, file in world.files.items():
        copied = site / "files" / str(file_id) / safe_name(file.filename)
        with file.open() as opened:
            assert copied.read_bytes() == opened.read()


def test_what_is_gone_is_not_in_the_next_copy(tmp_path: Path) -> None:
    world = sample_world(1, 12)
    StaticSite(world, tmp_path / "site").write()
    project = next(iter(world.projects.values()))
    gone = project.order.pop()
    del project.stories[gone]
    StaticSite(world, tmp_path / "site").write()
    assert not (tmp_path / "site" / "story" / "show" / str(gone) / "index.html").exists()
    assert (tmp_path / "site" / "index.html").is_file()


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(world: World, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SiteError, match="holds other files"):
        StaticSite(world, tmp_path).write()
    assert contents(tmp_path).keys() == {"thesis.txt"}


def test_one_run_at_a_time_writes_to_a_folder(world: World, tmp_path: Path) -> None:
    def begin_another(_: int) -> None:
        with pytest.raises(SiteError, match=r"Another run is writing to .*; wait until it ends"):
            StaticSite(world, tmp_path / "site").write()

    large = sample_world(1, 1_000)
    assert StaticSite(large, tmp_path / "site").write(begin_another) == 1_000
    assert StaticSite(world, tmp_path / "site").write() == 80


def test_a_list_of_files_leads_out_of_no_folder(world: World, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    out = tmp_path / "site"
    out.mkdir()
    (out / WRITTEN).write_text(f"../precious\n{tmp_path}/precious\n./../precious\n")
    StaticSite(world, out).write()
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_file_that_cannot_be_read_is_named_and_costs_nothing_else(tmp_path: Path) -> None:
    def refuse() -> None:
        raise OSError(5, "Input/output error")

    world = sample_world(1, 12)
    world.files = {**world.files, 1: StoredFile("lost.png", 3, "image/png", refuse)}  # type: ignore[arg-type]
    site = StaticSite(world, tmp_path / "site")
    assert site.write() == 12
    assert site.missing == ["lost.png cannot be read: Input/output error."]


def failing(error: Exception) -> Callable[[], IO[bytes]]:
    class Failing(BytesIO):
        def read(self, *_: object) -> bytes:
            raise error

    return Failing


def test_a_file_that_is_damaged_or_cut_is_not_in_the_copy_and_costs_nothing_else(tmp_path: Path) -> None:
    world = sample_world(1, 12)
    content = {
        1: failing(BadZipFile("Bad CRC-32")), 2: failing(OSError(5, "Input/output error")), 3: lambda: BytesIO(b"cut"),
        4: lambda: BytesIO(b"as long as"),
    }  # fmt: skip
    world.files = {number: StoredFile(f"{number}.png", 10, "image/png", opened) for number, opened in content.items()}
    site = StaticSite(world, tmp_path / "site")
    assert site.write() == 12
    assert site.missing == [
        "1.png cannot be read: Bad CRC-32.", "2.png cannot be read: Input/output error.",
        "3.png cannot be read: it is not as long as it was.",
    ]  # fmt: skip
    assert contents(tmp_path / "site" / "files").keys() == {"4/4.png"}


def test_a_copy_that_was_interrupted_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    written = StaticSite._page

    def until_an_epic(site: StaticSite, path: str) -> None:
        written(site, path)
        if "epic" in path:
            raise Killed

    world = sample_world(1, 12)
    StaticSite(world, tmp_path / "whole").write()
    out = tmp_path / "site"
    for _ in range(2):
        site = StaticSite(world, out)
        with monkeypatch.context() as patched:
            patched.setattr(StaticSite, "_page", until_an_epic)
            with pytest.raises(Killed):
                site.write()
        assert not (out / "files").exists()
    StaticSite(world, out).write()
    assert contents(out) == contents(tmp_path / "whole")


def test_what_others_put_into_the_folder_is_left_as_it_is(tmp_path: Path) -> None:
    world = sample_world(1, 12)
    out, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    StaticSite(world, out).write()
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("mine")
    (out / "mine").symlink_to(elsewhere)
    (out / "old").mkdir()
    (out / "notes.txt").write_text("mine")
    with (out / WRITTEN).open("a") as listed:
        listed.write("\nmine/precious\nold\nstory\n")
    StaticSite(world, out).write()
    assert (elsewhere / "precious").read_text() == (out / "notes.txt").read_text() == "mine"
    assert (out / "old").is_dir()


@pytest.mark.parametrize("kind", ["file", "link to a file", "link to a folder"])
def test_what_is_in_the_way_and_not_ours_is_not_overwritten(kind: str, tmp_path: Path) -> None:
    world = sample_world(1, 12)
    out, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    StaticSite(world, out).write()
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("mine")
    later = sample_world(1, 14)
    (new,) = sorted(set(next(iter(later.projects.values())).stories))[-1:]
    page = out / "story" / "show" / str(new)
    assert not page.exists()
    if kind == "link to a folder":
        page.symlink_to(elsewhere)
    else:
        page.mkdir()
        mine = page / "index.html"
        mine.write_text("mine") if kind == "file" else mine.symlink_to(elsewhere / "precious")
    with pytest.raises(SiteError, match="is in the way"):
        StaticSite(later, out).write()
    assert contents(elsewhere).keys() == {"precious"}
    assert (elsewhere / "precious").read_text() == "mine"


def test_a_list_of_files_that_is_no_text_is_none(tmp_path: Path) -> None:
    (tmp_path / WRITTEN).write_bytes(b"\xff\xfe\0")
    assert StaticSite(sample_world(1, 12), tmp_path).write() == 12


def test_an_export_that_changes_while_it_is_copied_is_a_sentence(world: World, tmp_path: Path) -> None:
    class Changed(Project):
        def __getattribute__(self, name: str) -> Any:
            if name == "stories":
                raise UnreadableProject("x.zip: it has changed since then")
            return super().__getattribute__(name)

    changed = World(now=world.now, projects={7: Changed(row={"kind": "project", "id": 7, "name": "x"})})
    with pytest.raises(SiteError, match=r"^x[.]zip: it has changed since then[.]$"):
        StaticSite(changed, tmp_path / "site").write()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_safe_names_of_files(text: str, tmp_path: Path) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[\w.-]+", name)
    assert not name.lower().endswith((".html", ".htm", ".svg", ".xml", ".js", ".xhtml", ".php"))
    StaticSite(hostile_world(text), tmp_path / "site").write()
    assert all(path.resolve().is_relative_to(tmp_path.resolve()) for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("a b.png", "a_b.png"), ("receipt.PDF", "receipt.pdf"), ("x.html", "x.html.download"),
        ("x.svg", "x.svg.download"), ("../../etc/passwd", "etc_passwd.download"), ("", "file.download"),
        (".htaccess", "htaccess.download"), ("領収書.png", "領収書.png"), ("a" * 300 + ".png", "a" * 100 + ".png"),
        ("con\x00.txt", "file-con.txt"), ("NUL", "file-NUL.download"), ("lpt1.a.png", "file-lpt1.a.png"),
        ("contract.txt", "contract.txt"), ("領" * 300 + ".png", "領" * 66 + ".png"),
        ("領" * 300, "領" * 66 + ".download"),
    ],
)  # fmt: skip
def test_a_filename_becomes_a_safe_one(filename: str, name: str) -> None:
    assert safe_name(filename) == name


def test_the_command_writes_a_site_and_says_where_it_begins(tmp_path: Path) -> None:
    commands = [
        ["export", "x.zip", "--projects", "1", "--stories", "12"], ["site", "x.zip", "out"], ["site", "x.zip", "."],
    ]  # fmt: skip
    ended = [
        subprocess.run(
            [sys.executable, "-m", "tracker_server", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        for command in commands
    ]
    assert [run.returncode for run in ended] == [0, 0, 1]
    assert ended[1].stdout.splitlines()[-1] == "Wrote 12 stories: open out/index.html in a browser."
    assert "holds other files" in ended[2].stderr
    assert (tmp_path / "out" / "index.html").is_file()


def test_any_number_of_accents_on_one_letter_costs_little() -> None:
    begin = time.process_time()
    assert folded("É" + "\N{COMBINING ACUTE ACCENT}\N{HEBREW POINT HIRIQ}" * 100_000).startswith("e")
    assert time.process_time() - begin < 5
