"""Runs a console script in a process that is forked from one that has it imported: that takes longer than a run."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(["source_pivotal_tracker.command_line"])
TIMEOUT_SECONDS = 120


def run(
    arguments: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    program: str = "source-pivotal-tracker",
) -> subprocess.CompletedProcess[str]:
    """What a program does in this folder, where its output is kept, with `environment` over this one."""
    command = [program, *map(str, arguments)]
    process = LOADED.Process(target=_run, args=(command, folder, {**os.environ, **(environment or {})}))
    process.start()
    process.join(TIMEOUT_SECONDS)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{' '.join(command)} has not ended in {TIMEOUT_SECONDS} seconds.")
    stdout, stderr = ((folder / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
    return subprocess.CompletedProcess(command, process.exitcode, stdout, stderr)


def run_server(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `tracker-server` does, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return run(arguments, Path(folder), environment, program="tracker-server")


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    os.chdir(folder)
    for descriptor, name in enumerate(("stdout", "stderr"), 1):
        with open(name, "wb") as file:
            os.dup2(file.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    if command[0] == "tracker-server":
        from tracker_server.__main__ import main

        sys.exit(main())
    from source_pivotal_tracker.run import run

    run()
