"""Runs the tests of what changed since the main branch, nearest first: `python -m tools.changed_tests [COMMIT]`.

A test belongs to a changed module if it imports it, directly or through other modules, and to any other changed file if
it, or a module that it imports, names that file. What runs a program without importing it is not found: `make test` is
the whole.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from tools.time_limit import SECONDS

ROOT = Path(__file__).resolve().parent.parent
MAIN_BRANCHES = ("origin/main", "main")
WORKERS = 2
SECONDS_FOR_TESTS = 30
MOST_MODULES = 40
"""So that collecting the tests does not take the time in which they could run."""
NO_TESTS = 5
"""How pytest ends if it was given nothing to run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them for half a minute and skip the rest; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.changed_tests", description=__doc__)
    parser.add_argument("commit", nargs="?", help="(where this branch left the main one)")
    options = parser.parse_args(arguments)
    commit = options.commit or _branched_off(ROOT)
    changed = changed_files(ROOT, commit)
    tests = nearest_tests(changed, {path: (ROOT / path).read_text(encoding="utf-8") for path in _modules(ROOT)})
    print(f"{len(changed)} files changed since {commit[:12]}; they are tested in {len(tests)} modules.")
    if not tests:
        return 0
    if len(tests) > MOST_MODULES:
        print(f"Of these the nearest {MOST_MODULES} run; `make test` runs all.")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--quiet",
        "-p",
        "tools.time_limit",
        "-m",
        "not image_tests and not browser_tests and not soak_tests",
    ]
    ended = subprocess.run(
        [*command, "-n", str(WORKERS), "--dist", "load", *map(str, tests[:MOST_MODULES])],
        cwd=ROOT,
        env={**os.environ, SECONDS: str(SECONDS_FOR_TESTS)},
    )
    return 0 if ended.returncode == NO_TESTS else ended.returncode


def changed_files(root: Path, commit: str) -> list[Path]:
    """The files that are not as in the commit, new ones included and deleted ones left out, relative to `root`."""
    names = _git(root, "diff", "--name-only", "--relative", commit) + _git(root, *UNTRACKED)
    return sorted({Path(name) for name in names if (root / name).is_file()})


def nearest_tests(changed: Collection[Path], sources: Mapping[Path, str]) -> list[Path]:
    """The modules of tests that belong to a changed file, first those with the fewest imports between.

    `sources` has the text of every module by its path.
    """
    importers: dict[Path, set[Path]] = defaultdict(set)
    for module, source in sources.items():
        for imported in _imported(module, source, sources):
            importers[imported].add(module)
    files = [path for path in changed if path not in sources]
    found = {path for path in changed if path in sources}
    nearest = {path for path, source in sources.items() if any(_is_named(file, source) for file in files)} - found
    order = [sorted(found), sorted(nearest | {path for module in found for path in importers[module]} - found)]
    seen = {path for ring in order for path in ring}
    while order[-1]:
        ring = {path for module in order[-1] for path in importers[module]} - seen
        seen |= ring
        order.append(sorted(ring))
    return [path for ring in order for path in ring if _has_tests(path)]


UNTRACKED = ("ls-files", "--others", "--exclude-standard")


def _branched_off(root: Path) -> str:
    for branch in MAIN_BRANCHES:
        try:
            return _git(root, "merge-base", "HEAD", branch)[0]
        except subprocess.CalledProcessError:
            continue
    sys.exit(f"There is no branch {' or '.join(MAIN_BRANCHES)}: name a commit to compare with.")


def _modules(root: Path) -> list[Path]:
    names = _git(root, "ls-files", "*.py") + _git(root, *UNTRACKED, "*.py")
    return [Path(name) for name in names if (root / name).is_file() and not name.startswith("examples/")]


def _git(root: Path, *command: str) -> list[str]:
    ended = subprocess.run(["git", *command], cwd=root, capture_output=True, encoding="utf-8", check=True)  # noqa: S607
    return ended.stdout.splitlines()


def _has_tests(module: Path) -> bool:
    return module.name.startswith("test_")


def _is_named(file: Path, source: str) -> bool:
    """Whether a module names the file, or the folder that has it."""
    return file.name in source or (len(file.parts) > 1 and f'"{file.parent.name}"' in source)


def _imported(module: Path, source: str, sources: Collection[Path]) -> Iterator[Path]:
    """The modules of ours that this one needs: those that it imports, with their packages, and its conftest.py."""
    for folder in [Path(), *_folders_of_a_connector(module)]:
        for name in _names(module, ast.parse(source)):
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                whole = folder.joinpath(*parts[:end])
                yield from (path for path in (whole.with_suffix(".py"), whole / "__init__.py") if path in sources)
    if _has_tests(module):
        yield from (path for above in module.parents[:-1] if (path := above / "conftest.py") in sources)


def _names(module: Path, tree: ast.Module) -> Iterator[str]:
    """The full names that it imports: `from a import b` is `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.with_suffix("").parts[: -node.level] if node.level else ()
            name = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _folders_of_a_connector(module: Path) -> list[Path]:
    """Where the modules of a manifest-only connector find each other, by their names alone."""
    if module.parts[0] != "connectors":
        return []
    home = Path(*module.parts[:2])
    return [home, home / "sample_server", home / "unit_tests"]


if __name__ == "__main__":
    sys.exit(main())
