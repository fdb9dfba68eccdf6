"""The floors of the house: a module imports from floors below its own and from its own, never from above."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONNECTOR, SERVER = "source_pivotal_tracker", "tracker_server"
REPORT = "tracker_report"
WORKSHOPS = ("unit_tests", "integration_tests", "benchmarks", "tools")

FLOORS = {
    "places": 0,
    "object_stores": 0,
    "config": 0,
    "api": 0,
    "stdout": 0,
    "ending": 0,
    "streams": 1,
    "attachments": 2,
    "exports": 3,
    "sync": 3,
    "check": 3,
    "wiring": 3,
    "files": 4,
    "source": 5,
    "command_line": 6,
    "commands": 6,
    "dlt": 6,
    "run": 7,
}
"""Every module and package of the connector, each with its floor."""

FLOORS_OF_THE_SERVER = {
    "stdout": 0,
    "file_names": 0,
    "files": 0,
    "world": 0,
    "http_message": 0,
    "encoding": 0,
    "garbage_collection": 0,
    "arguments": 0,
    "derived": 1,
    "downloads": 1,
    "edits": 1,
    "exports": 2,
    "sample": 2,
    "view": 2,
    "search": 3,
    "api": 4,
    "pages": 4,
    "app": 5,
    "serving": 6,
    "commands": 7,
    "command_line": 8,
    "__main__": 9,
}
"""The same of the server."""

LONGEST = 300
"""Lines of a module of the connector: a longer one is several things."""

NAMED_AFTER_NOTHING = {"base_utils", "common", "helper", "helpers", "misc", "util", "utils"}


def modules(package: str) -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    """The full names of the modules that this one imports, anywhere in it: `from a import b` is `a` and `a.b`."""
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.with_suffix("").parts[: -node.level] if node.level else ()
            name = ".".join([*above, *filter(None, [node.module])])
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def packages_imported(module: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(module)}


def floor(name: str, of: str = CONNECTOR) -> int | None:
    """The floor of `source_pivotal_tracker.api.client`, which is that of `api`; None without one."""
    package, _, inside = name.partition(".")
    floors = FLOORS if of == CONNECTOR else FLOORS_OF_THE_SERVER
    return floors.get(inside.partition(".")[0]) if package == of else None


def dotted(module: Path) -> str:
    return ".".join(module.with_suffix("").parts)


each_module_of_the_connector = pytest.mark.parametrize(
    "module", [path for path in modules(CONNECTOR) if path != Path(CONNECTOR, "__init__.py")], ids=str
)
each_module_of_the_packages = pytest.mark.parametrize("module", [*modules(CONNECTOR), *modules(SERVER)], ids=str)


def test_every_module_of_the_connector_is_on_a_floor() -> None:
    built = {path.parts[1].removesuffix(".py") for path in modules(CONNECTOR)} - {"__init__"}
    assert built == set(FLOORS)


@each_module_of_the_connector
def test_a_module_imports_nothing_from_a_higher_floor(module: Path) -> None:
    own = floor(dotted(module))
    assert own is not None
    assert [name for name in imported(module) if (floor(name) or 0) > own] == []


def test_every_module_of_the_server_is_on_a_floor() -> None:
    built = {path.parts[1].removesuffix(".py") for path in modules(SERVER)} - {"__init__"}
    assert built == set(FLOORS_OF_THE_SERVER)


@pytest.mark.parametrize("module", [path for path in modules(SERVER) if path != Path(SERVER, "__init__.py")], ids=str)
def test_a_module_of_the_server_imports_nothing_from_a_higher_floor(module: Path) -> None:
    own = floor(dotted(module), SERVER)
    assert own is not None
    assert [name for name in imported(module) if (floor(name, SERVER) or 0) > own] == []


@pytest.mark.parametrize(("one", "other"), [("api", "pages"), ("pages", "api")])
def test_the_api_and_the_pages_of_the_server_do_not_know_each_other(one: str, other: str) -> None:
    known = {name for module in modules(f"{SERVER}/{one}") for name in imported(module)}
    assert not any(name.startswith(f"{SERVER}.{other}") for name in known)


def test_the_configuration_and_the_api_do_not_know_each_other() -> None:
    of_config = set(imported(Path(CONNECTOR, "config.py")))
    of_api = {name for module in modules(f"{CONNECTOR}/api") for name in imported(module)}
    assert all(name.startswith(f"{CONNECTOR}.places") for name in of_config if name.startswith(CONNECTOR))
    assert [name for name in of_api if name.startswith(f"{CONNECTOR}.config")] == []


def test_the_server_imports_nothing_of_the_connector() -> None:
    assert [module for module in modules(SERVER) if CONNECTOR in packages_imported(module)] == []


def test_the_connector_uses_the_server_in_one_package_that_only_the_wiring_knows_and_the_names_of_files() -> None:
    package, commands = f"{CONNECTOR}.exports", f"{CONNECTOR}.commands"
    outside = [module for module in modules(CONNECTOR) if not dotted(module).startswith(package)]
    of_a_sync = [module for module in outside if not dotted(module).startswith(commands)]
    used = {name for module in of_a_sync for name in imported(module) if name.startswith(f"{SERVER}.")}
    assert {name for name in used if not name.startswith(f"{SERVER}.file_names")} == set()
    assert [module for module in outside if package in set(imported(module))] == []
    assert [module for module in outside if any(name.startswith(f"{package}.") for name in imported(module))] == [
        Path(CONNECTOR, "wiring.py")
    ]


def test_the_report_stands_alone() -> None:
    used = {name for module in modules(REPORT) for name in packages_imported(module)}
    assert used.isdisjoint({CONNECTOR, SERVER, *WORKSHOPS})
    others = [module for package in (CONNECTOR, SERVER) for module in modules(package)]
    assert [module for module in others if REPORT in packages_imported(module)] == []


def test_nothing_of_a_sync_knows_the_commands() -> None:
    package = f"{CONNECTOR}.commands"
    outside = [module for module in modules(CONNECTOR) if not dotted(module).startswith(package)]
    assert [module for module in outside if any(name.startswith(package) for name in imported(module))] == []


def test_that_package_is_loaded_only_where_exports_are_read() -> None:
    code = "import sys; import source_pivotal_tracker.command_line; sys.exit('tracker_server' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@each_module_of_the_packages
def test_a_package_imports_nothing_from_the_workshops(module: Path) -> None:
    assert packages_imported(module).isdisjoint(WORKSHOPS)


@each_module_of_the_connector
def test_a_module_of_the_connector_is_one_thing(module: Path) -> None:
    assert len((ROOT / module).read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("package", [CONNECTOR, SERVER, REPORT, *WORKSHOPS])
def test_every_module_is_named_after_a_thing(package: str) -> None:
    names = {part.removesuffix(".py") for module in modules(package) for part in module.parts}
    assert names.isdisjoint(NAMED_AFTER_NOTHING)


def test_an_import_of_every_form_is_seen(tmp_path: Path) -> None:
    module = tmp_path / "house" / "room.py"
    module.parent.mkdir()
    module.write_text("import a.b\ndef f():\n    from c import d\n    from . import e\n    from .g import h\n")
    forms = {name.replace(dotted(module.parent), "house") for name in imported(module)}
    assert forms == {"a.b", "c", "c.d", "house", "house.e", "house.g", "house.g.h"}
