"""Exports as an SQLite database and as JSON lines: the connector's rows, whole or not at all."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from source_pivotal_tracker.commands.json_lines import JsonLines
from source_pivotal_tracker.commands.sqlite_tables import TEXTS
from tracker_server.exports import write_export
from tracker_server.sample import make_world, sample_files
from tracker_server.world import World
from unit_tests import loaded_program
from unit_tests.syncs import BY_NAME, Row, Sync, key_of
from unit_tests.tracker_server.exports.exported import modern


def convert(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return loaded_program.run_server("convert", *arguments)


@pytest.fixture(scope="module")
def world() -> World:
    world = make_world(2, 60, 1)
    world.files = sample_files(world)
    return world


@pytest.fixture(scope="module")
def archive(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "all_20250401_1212.zip"
    with path.open("wb") as out:
        write_export(world, out)
    return path


@pytest.fixture(scope="module")
def rows(archive: Path) -> dict[str, list[Row]]:
    return Sync({"export_archive": str(archive)}).records


@pytest.fixture(scope="module")
def database(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("database") / "tracker.db"
    ended = convert(archive, path, "--to", "sqlite")
    assert (ended.returncode, ended.stderr) == (0, "")
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


@pytest.fixture(scope="module")
def lines(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines") / "out"
    ended = convert(archive, folder, "--to", "jsonl")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Wrote {folder}: 2 projects, 120 stories, ")
    return folder


def by_key(stream: str, found: list[Row]) -> dict[Any, Row]:
    return {key_of(stream, row): row for row in found}


def test_a_folder_takes_one_run_at_a_time(archive: Path, tmp_path: Path) -> None:
    with JsonLines(tmp_path / "out", ["stories"]) as lines:
        lines.write("stories", [{"id": 1}])
        ended = convert(archive, tmp_path / "out", "--to", "jsonl")
        lines.finish()
    assert (ended.returncode, ended.stderr) == (
        1, f"Another run is writing to {tmp_path / 'out'}; wait until it ends, or name another folder.\n",
    )  # fmt: skip
    assert (tmp_path / "out" / "stories.jsonl").read_text("utf-8") == '{"id":1}\n'
    assert convert(archive, tmp_path / "out", "--to", "jsonl").returncode == 0


@pytest.mark.parametrize("stream", BY_NAME)
def test_the_lines_are_the_rows_of_the_connector(stream: str, lines: Path, rows: dict[str, list[Row]]) -> None:
    path = lines / f"{stream}.jsonl"
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    assert by_key(stream, found) == by_key(stream, rows[stream])
    assert len(found) == len(rows[stream])


def test_what_the_connector_has_rows_of_has_a_table_and_nothing_else(
    database: sqlite3.Connection, rows: dict[str, list[Row]]
) -> None:
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables & BY_NAME.keys() == {stream for stream in BY_NAME if rows[stream]}


@pytest.mark.parametrize("stream", BY_NAME)
def test_a_table_has_the_rows_of_the_connector(
    stream: str, database: sqlite3.Connection, rows: dict[str, list[Row]]
) -> None:
    if not rows[stream]:
        return
    found = [dict(row) for row in database.execute(f"SELECT * FROM {stream}")]
    assert len(found) == len(rows[stream])
    held = by_key(stream, found)
    for key, row in by_key(stream, rows[stream]).items():
        for name, value in row.items():
            cell = held[key][name]
            assert (json.loads(cell) if isinstance(value, list | dict) else cell) == value
        assert {name for name, cell in held[key].items() if cell is not None} <= row.keys()


def test_what_is_written_is_found(database: sqlite3.Connection, rows: dict[str, list[Row]]) -> None:
    for table, columns in TEXTS.items():
        row = next((row for row in rows[table] if row.get(columns[-1])), None)
        if row is None:
            continue
        words = '"' + row[columns[-1]].replace('"', " ") + '"'
        query = f"SELECT rowid FROM {table}_fts WHERE {table}_fts MATCH ?"
        assert row["id"] in {found for (found,) in database.execute(query, [words])}
        query = "SELECT id, project_id FROM search WHERE search MATCH ? AND kind = ?"
        assert (row["id"], row["project_id"]) in {tuple(found) for found in database.execute(query, [words, table])}


@pytest.mark.parametrize("table", TEXTS)
def test_a_full_text_table_has_the_form_by_which_datasette_finds_it(table: str, database: sqlite3.Connection) -> None:
    query = "SELECT name FROM sqlite_master WHERE rootpage = 0 AND sql LIKE ?"
    found = [name for (name,) in database.execute(query, [f'%VIRTUAL TABLE%USING FTS%content="{table}"%'])]
    assert found == [f"{table}_fts"]


def test_a_part_that_is_found_leads_to_its_story(database: sqlite3.Connection, rows: dict[str, list[Row]]) -> None:
    comment = next(row for row in rows["story_comments"] if row["text"])
    query = "SELECT stories.id FROM search JOIN stories ON stories.id = search.story_id WHERE search.id = ?"
    assert [found for (found,) in database.execute(query, [comment["id"]])] == [comment["story_id"]]


def test_the_views_say_who_owns_what_and_what_its_labels_are(
    database: sqlite3.Connection, rows: dict[str, list[Row]]
) -> None:
    owners = {tuple(row) for row in database.execute("SELECT story_id, person_id FROM story_owners")}
    assert owners == {(row["id"], owner) for row in rows["stories"] for owner in row["owner_ids"]}
    labels = {tuple(row) for row in database.execute("SELECT story_id, name FROM story_labels")}
    assert labels == {(row["id"], label["name"]) for row in rows["stories"] for label in row["labels"]}
    people = {row["name"] for row in database.execute("SELECT name FROM people")}
    assert people == {row["person"]["name"] for row in rows["project_memberships"]}


def test_the_database_is_sound(database: sqlite3.Connection) -> None:
    assert [tuple(row) for row in database.execute("PRAGMA integrity_check")] == [("ok",)]
    assert list(database.execute("PRAGMA foreign_key_check")) == []


def test_several_exports_and_ids_are_given_as_to_serve(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_bytes(modern({"Title": name}))
    ended = convert(
        tmp_path / "one.csv", tmp_path / "two.csv", tmp_path / "out", "--to", "jsonl", "--project", "two=99"
    )
    assert ended.returncode == 0
    projects = [json.loads(line) for line in (tmp_path / "out" / "projects.jsonl").read_text().splitlines()]
    assert {project["name"]: project["id"] for project in projects}["two"] == 99
    assert len(projects) == 2


def test_files_are_copied_where_that_is_asked_for(archive: Path, world: World, tmp_path: Path) -> None:
    ended = convert(archive, tmp_path / "out", "--to", "jsonl", "--files", tmp_path / "files")
    assert ended.returncode == 0
    found = [json.loads(line) for line in (tmp_path / "out" / "file_attachments.jsonl").read_text().splitlines()]
    assert len(found) == len(world.files)
    assert all(row["file_url"].startswith((tmp_path / "files").as_uri()) for row in found)


@pytest.mark.parametrize("to", ["sqlite", "jsonl"])
def test_a_second_run_puts_new_rows_in_place_of_the_old(to: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes(modern({"Title": "one"}))
    out = tmp_path / "out"
    assert convert(archive, out, "--to", to).returncode == 0
    assert convert(tmp_path / "one.csv", out, "--to", to).returncode == 0
    if to == "jsonl":
        assert len((out / "stories.jsonl").read_text().splitlines()) == 1
        assert not (out / "story_tasks.jsonl").exists()
    else:
        with closing(sqlite3.connect(out)) as connection:
            assert list(connection.execute("SELECT name FROM stories")) == [("one",)]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("to", ["sqlite", "jsonl"])
def test_what_others_wrote_is_never_overwritten(to: str, archive: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "thesis.txt", tmp_path / "folder" / "thesis.txt"):
        place.parent.mkdir(exist_ok=True)
        place.write_text("years of work")
        ended = convert(archive, place if place.parent == tmp_path else place.parent, "--to", to)
        assert ended.returncode == 1
        assert "name a new" in ended.stderr
        assert place.read_text() == "years of work"


@pytest.mark.parametrize("names", [("stories.jsonl",), ("labels.jsonl", "stories.jsonl.part"), (".hidden",)])
def test_a_folder_with_files_that_are_only_called_like_ours_is_left_alone(
    names: tuple[str, ...], archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in names:
        (out / name).write_text("years of work")
    ended = convert(archive, out, "--to", "jsonl")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (f"{out} holds other files; name a new folder, or one that this command has written to.\n")
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(names, "years of work")


@pytest.mark.parametrize("name", ["story_reviews.jsonl", "stories.jsonl.part"])
def test_a_file_that_somebody_put_beside_ours_is_left_alone(name: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes(modern({"Title": "one"}))
    out = tmp_path / "out"
    assert convert(tmp_path / "one.csv", out, "--to", "jsonl").returncode == 0
    (out / name).write_text("years of work")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    ended = convert(archive, out, "--to", "jsonl")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{out / name} was not written by this command; name a new folder")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize(("to", "name"), [("sqlite", "out.db"), ("jsonl", "rows")])
def test_what_it_writes_below_the_exports_is_none_of_them(to: str, name: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / archive.name).write_bytes(archive.read_bytes())
    (tmp_path / "linked").symlink_to(tmp_path)
    for _ in range(2):
        for out in (tmp_path / name, tmp_path / "linked" / name):
            ended = convert(tmp_path, out, "--to", to, "--files", tmp_path / "copies")
            assert (ended.returncode, ended.stderr) == (0, "")


def test_whoever_reads_exports_leaves_the_rows_alone(archive: Path, tmp_path: Path) -> None:
    (tmp_path / archive.name).write_bytes(archive.read_bytes())
    assert convert(archive, tmp_path / "rows", "--to", "jsonl").returncode == 0
    inspected = loaded_program.run_server("inspect", tmp_path)
    assert inspected.stdout.count("not read") == 1
    assert "rows: not read: these are rows that tracker-server convert wrote\n" in inspected.stdout


def test_files_are_not_copied_to_where_exports_are(archive: Path, tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / archive.name).write_bytes(archive.read_bytes())
    ended = convert(archive, tmp_path / "out", "--to", "jsonl", "--files", exports)
    words = f"--files: {exports} holds other files; name a new folder, or one that attached files were copied to.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", words)
    assert [path.name for path in tmp_path.iterdir()] == ["exports"]
    assert [path.name for path in exports.iterdir()] == [archive.name]


def test_files_may_be_copied_to_where_the_rows_are(archive: Path, world: World, tmp_path: Path) -> None:
    for _ in range(2):
        ended = convert(archive, tmp_path / "out", "--to", "jsonl", "--files", tmp_path / "out")
        assert ended.returncode == 0
        assert f", {len(world.files):,} file attachments" in ended.stdout


def test_exports_that_are_put_to_the_copies_are_named(archive: Path, tmp_path: Path) -> None:
    (tmp_path / archive.name).write_bytes(archive.read_bytes())
    arguments = (tmp_path, tmp_path / "out.db", "--to", "sqlite", "--files", tmp_path / "copies")
    assert convert(*arguments).stderr == ""
    (tmp_path / "copies" / "more.zip").write_bytes(archive.read_bytes())
    assert "copies: not read: these are attached files that were copied here" in convert(*arguments).stderr


@pytest.mark.parametrize("to", ["sqlite", "jsonl"])
def test_an_export_that_cannot_be_read_is_named_and_costs_itself_alone(to: str, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "broken_20250401_1212.zip").write_bytes(b"PK\x03\x04 no more")
    ended = convert(archive, tmp_path, tmp_path / "out", "--to", to)
    assert ended.returncode == 1
    assert "broken_20250401_1212.zip" in ended.stderr
    assert "120 stories" in ended.stdout


@pytest.mark.parametrize("to", ["sqlite", "jsonl"])
def test_where_nothing_can_be_read_what_there_was_stays(to: str, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert convert(archive, out, "--to", to).returncode == 0
    before = [(path, path.read_bytes()) for path in (out.rglob("*") if out.is_dir() else [out])]
    (tmp_path / "broken_20250401_1212.zip").write_bytes(b"PK\x03\x04 no more")
    ended = convert(tmp_path / "broken_20250401_1212.zip", out, "--to", to)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
    assert [(path, path.read_bytes()) for path in (out.rglob("*") if out.is_dir() else [out])] == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--files", ""), "--files is empty or contains a line break or another control character."),
        (("--files", "s3:///x"), "--files is neither a path nor a URL with an object store's scheme"),
        (("--project", "nobody=5"), "--project: There is no project 'nobody'; there are "),
    ],
)
def test_what_is_wrong_is_told_in_the_words_of_the_command_line(
    options: tuple[str, str], sentence: str, archive: Path, tmp_path: Path
) -> None:
    ended = convert(archive, tmp_path / "out.db", "--to", "sqlite", *options)
    assert ended.returncode == 1
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1


def test_an_export_that_is_not_there_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "my export_archive of project_ids.zip"
    ended = convert(path, tmp_path / "out.db", "--to", "sqlite")
    assert (ended.returncode, ended.stderr) == (1, f"EXPORT: {path} cannot be read: No such file or directory.\n")


def test_a_problem_of_all_streams_is_told_once(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "broken_20250401_1212.zip").write_bytes(b"PK\x03\x04 no more")
    ended = convert(archive, tmp_path / "broken_20250401_1212.zip", tmp_path / "out", "--to", "jsonl")
    assert ended.returncode == 1
    assert ended.stderr.startswith("EXPORT: broken_20250401_1212.zip is damaged (")
    assert ended.stderr.count("\n") == 1


def test_files_that_nothing_can_be_written_to_are_told_once(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = convert(archive, tmp_path / "out", "--to", "jsonl", "--files", tmp_path / "file" / "x")
    assert ended.returncode == 1
    assert ended.stderr.startswith("--files: ")
    assert ended.stderr.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_sentence(archive: Path, tmp_path: Path) -> None:
    for to in ("sqlite", "jsonl"):
        (tmp_path / "file").write_text("")
        ended = convert(archive, tmp_path / "file" / "out", "--to", to)
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"Cannot write {tmp_path / 'file' / 'out'}: ")
        assert ended.stderr.count("\n") == 1


def test_a_second_run_does_not_read_the_copies_of_the_first_as_exports(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes(modern({"Id": "10", "Title": "one"}))
    (tmp_path / "10").mkdir()
    (tmp_path / "10" / "list.csv").write_bytes(modern({"Id": "99", "Title": "attached"}))
    for _ in range(2):
        ended = convert(tmp_path, tmp_path / "out.db", "--to", "sqlite", "--files", tmp_path / "copies")
        assert ended.returncode == 0
        assert ended.stdout.startswith(f"Wrote {tmp_path / 'out.db'}: 1 projects, ")
        assert ", 1 stories, " in ended.stdout


def test_an_attached_file_that_cannot_be_copied_is_a_loss(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        damaged = next(info for info in opened.infolist() if not info.filename.endswith(".csv"))
    content[damaged.header_offset + 30 + len(damaged.filename.encode()) + damaged.compress_size // 2] ^= 0xFF
    (tmp_path / "all_20250401_1212.zip").write_bytes(content)
    ended = convert(
        tmp_path / "all_20250401_1212.zip", tmp_path / "out", "--to", "jsonl", "--files", tmp_path / "files"
    )
    assert ended.returncode == 1
    assert "1 attached files could not be copied" in ended.stderr


def test_the_counts_are_those_of_the_tables(tmp_path: Path) -> None:
    for name in ("one", "two"):  # one and the same story, which was moved between the exports
        (tmp_path / f"{name}.csv").write_bytes(modern({"Id": "10", "Title": name}))
    said = convert(tmp_path, tmp_path / "out.db", "--to", "sqlite").stdout
    assert "2 projects, " in said
    assert " 1 stories." in said


def test_a_database_that_is_in_use_is_left_alone(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.db"
    assert convert(archive, path, "--to", "sqlite").returncode == 0
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE mine (x)")
        connection.commit()
        ended = convert(archive, path, "--to", "sqlite")
        assert ended.returncode == 1
        assert "is in use" in ended.stderr
        assert list(connection.execute("PRAGMA integrity_check")) == [("ok",)]


def test_a_link_is_followed_to_what_it_leads_to(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out.db").symlink_to(tmp_path / "elsewhere" / "out.db")
    for _ in range(2):
        assert convert(archive, tmp_path / "out.db", "--to", "sqlite").returncode == 0
        assert (tmp_path / "out.db").is_symlink()
        assert (tmp_path / "elsewhere" / "out.db").is_file()


def test_nothing_is_left_of_a_run_that_could_read_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken_20250401_1212.zip").write_bytes(b"PK\x03\x04 no more")
    for to in ("sqlite", "jsonl"):
        assert convert(tmp_path / "broken_20250401_1212.zip", tmp_path / "out", "--to", to).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["broken_20250401_1212.zip"]
