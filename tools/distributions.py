"""Builds what goes to PyPI, `tracker-archive` and `tracker-connector`, from what git has.

The address of the repository is not in it: whoever publishes gives it, and the links of the READMEs become absolute.
"""

from __future__ import annotations

import argparse
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = ("tracker_server", ".")
"""Their folders, each with a pyproject.toml and a README.md. The second needs the first."""
_LINK = re.compile(r"(?P<is_image>!?)(?P<text>\[[^\]]*\])\((?P<target>[^)\s:#][^)\s:]*)\)")
"""A link of Markdown to a place in the repository."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build both; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--repository", required=True, type=address, metavar="URL", help="such as https://github.com/me/it"
    )
    parser.add_argument("--out", type=Path, default=Path("dist"), help="a folder for them alone (%(default)s)")
    options = parser.parse_args(arguments)
    build(options.repository, options.out)
    for path in sorted(options.out.iterdir()):
        print(f"{path}: {path.stat().st_size:,} bytes")
    return 0


def address(text: str) -> str:
    if not re.fullmatch(r"https://[^/\s]+/\S+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the https:// address of a repository")
    return text.rstrip("/")


def build(repository: str, out: Path) -> None:
    """Write a wheel and an sdist of each into a folder, which holds nothing else then."""
    out.mkdir(parents=True, exist_ok=True)
    if strange := [path.name for path in out.iterdir() if not path.name.endswith((".whl", ".tar.gz"))]:
        raise SystemExit(f"{out} has other files than distributions ({strange[0]}, …): name another folder.")
    for path in out.iterdir():
        path.unlink()
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for tracked in _tracked():
            (copy / tracked).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / tracked, copy / tracked)
        for folder in DISTRIBUTIONS:
            complete(copy / folder, Path(folder), repository)
            uv = str(Path(sys.executable).with_name("uv"))
            command = [uv, "build", "--quiet", "--no-build-isolation", "--python", sys.executable]
            subprocess.run([*command, "--out-dir", str(out.resolve()), str(copy / folder)], check=True)
    # uv keeps what it builds out of git by such a file.
    (out / ".gitignore").unlink(missing_ok=True)


def _tracked() -> list[str]:
    """The files that git has."""
    git = shutil.which("git")
    if git is None:
        raise SystemExit("git is not installed, and it tells which files belong to the project.")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, encoding="utf-8")
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).exists()]


def complete(folder: Path, place: Path, repository: str) -> None:
    """Give a distribution its addresses; `place` is where it lies in the repository."""
    project = folder / "pyproject.toml"
    text = project.read_text("utf-8")
    tag = f"v{tomllib.loads(text)['project']['version']}"
    urls = {
        "Homepage": repository,
        "Repository": repository,
        "Changelog": f"{repository}/blob/{tag}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }
    lines = "".join(f'{name} = "{url}"\n' for name, url in urls.items())
    project.write_text(text.replace("[project.urls]\n", f"[project.urls]\n{lines}"), "utf-8")
    readme = folder / "README.md"
    readme.write_text(with_absolute_links(readme.read_text("utf-8"), place, repository, tag), "utf-8")


def with_absolute_links(text: str, place: Path, repository: str, tag: str) -> str:
    """Markdown whose links to files of the repository lead to it; images come as they are, for they are shown."""

    def absolute(link: re.Match[str]) -> str:
        target, _, anchor = link["target"].partition("#")
        path = posixpath.normpath(place / target)
        kind = "raw" if link["is_image"] else "blob"
        address = f"{repository}/{kind}/{tag}/{path}" + (f"#{anchor}" if anchor else "")
        return f"{link['is_image']}{link['text']}({address})"

    return _LINK.sub(absolute, text)


if __name__ == "__main__":
    sys.exit(main())
