"""The source for dlt where dlt is missing; examples/tests/test_dlt_source.py has the rest."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest


@pytest.mark.skipif(importlib.util.find_spec("dlt") is not None, reason="dlt is installed")
def test_without_dlt_one_sentence_says_how_to_get_it() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import source_pivotal_tracker.dlt"], capture_output=True, encoding="utf-8"
    )
    last = ended.stderr.splitlines()[-1]
    assert last == "ModuleNotFoundError: dlt is not installed: pip install 'tracker-connector[dlt]'"
