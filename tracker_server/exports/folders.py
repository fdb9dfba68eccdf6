"""The folders in which the files at a place lie."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tracker_server.exports.layout import Path
from tracker_server.exports.sources import Source


@dataclass
class File:
    source: Source
    label: str

    @property
    def name(self) -> str:
        return self.source.parts[-1]


@dataclass
class Folder:
    """A folder or a ZIP. `home` is the folder that the user named, if not the files in it."""

    home: str = ""
    files: list[File] = field(default_factory=list)
    folders: dict[str, Folder] = field(default_factory=dict)

    def put(self, file: File, path: Path) -> None:
        folder = self
        for name in path[:-1]:
            folder = folder.folders.setdefault(name, Folder())
        folder.files.append(file)

    def all_files(self, *folders: str) -> Iterator[tuple[Path, File]]:
        """The files in it and below, each with its path."""
        for file in self.files:
            yield (*folders, file.name), file
        for name, folder in self.folders.items():
            yield from folder.all_files(*folders, name)


def folder_trees(sources: Sequence[Source]) -> dict[str, Folder]:
    """The folders that hold the sources, by what of their names the user gave."""
    times = Counter("/".join(source.parts) for source in sources)
    trees: dict[str, Folder] = {}
    for source in sources:
        below = "/".join(source.parts)
        root = os.path.dirname(source.name) if source.is_named else source.root
        tree = trees.setdefault(root, Folder())
        if not source.is_named:
            tree.home = source.home or source.root
        tree.put(File(source, below if times[below] == 1 else source.name), source.parts)
    return trees
