"""Loads the modules of a manifest-only connector's sample server, which lie in a folder and in no package."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from tools.program import MANIFEST_CONNECTORS


def load(connector: str, *names: str) -> list[ModuleType]:
    """The modules of these names, such as `rocketlane_world`, out of the folder of `source-rocketlane`.

    Every connector has a module `serving`, and imports it by this name alone. So what is loaded here is not left for
    the next import of the name, and whoever holds a module of another folder keeps it.
    """
    folder = MANIFEST_CONNECTORS / connector / "sample_server"
    own = {path.stem for path in folder.glob("*.py")} - {"__main__"}
    others = {name: sys.modules.pop(name) for name in own if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(str(folder))
        for name in own:
            sys.modules.pop(name, None)
        sys.modules.update(others)
