"""The modules of a sample server are loaded from its folder, and leave the names to others."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tools.sample_modules import load


def folder_of(module: ModuleType) -> str:
    return Path(module.__file__ or "").parent.parent.name


def test_each_connector_has_its_own_modules() -> None:
    rocketlane, persistiq = (load(name, "serving")[0] for name in ("source-rocketlane", "source-persistiq"))

    assert [folder_of(module) for module in (rocketlane, persistiq)] == ["source-rocketlane", "source-persistiq"]


def test_modules_that_are_loaded_together_share_what_they_import() -> None:
    world, api = load("source-persistiq", "persistiq_world", "persistiq_api")

    assert api.World is world.World


def test_neither_a_module_nor_its_folder_is_left_for_the_next_import() -> None:
    before = list(sys.path)
    load("source-rocketlane", "rocketlane_world", "rocketlane_api", "serving")

    assert {"serving", "rocketlane_world", "rocketlane_api"}.isdisjoint(sys.modules)
    assert sys.path == before


def test_whoever_holds_a_module_of_that_name_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    another = ModuleType("serving")
    monkeypatch.setitem(sys.modules, "serving", another)
    load("source-rocketlane", "rocketlane_api")

    assert sys.modules["serving"] is another
