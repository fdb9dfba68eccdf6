"""Looks up what is locked in requirements.txt in an advisory service: `python -m tools.audit [OPTION OF PIP-AUDIT …]`.

pip-audit does it. To pip-audit, a package that the service tells nothing of is sound; here it was not audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "requirements.txt"
SOUND, VULNERABLE, NOT_DONE = 0, 1, 3


def main(options: Sequence[str]) -> int:
    """Say what is known; returns 0 for nothing, 1 for a vulnerability, 3 where a package could not be looked up."""
    program: list[str | Path] = [Path(sys.executable).with_name("pip-audit"), "--format", "json"]
    lock: list[str | Path] = ["--requirement", LOCK, "--require-hashes", "--no-deps", "--disable-pip"]
    command = [*program, "--progress-spinner", "off", *lock, *options]
    audit = subprocess.run(command, capture_output=True, encoding="utf-8")
    try:
        packages: list[dict[str, Any]] = json.loads(audit.stdout)["dependencies"]
    except ValueError:
        reason = (audit.stderr.strip().splitlines() or [f"exit code {audit.returncode}"])[-1]
        print(f"Not audited: the advisory service cannot be reached. pip-audit says: {reason}", file=sys.stderr)
        return NOT_DONE
    found = [(package, each) for package in packages for each in package.get("vulns", ())]
    skipped = [package for package in packages if "skip_reason" in package]
    for package, each in found:
        mended = f"mended in {', '.join(each['fix_versions'])}" if each["fix_versions"] else "not mended yet"
        print(f"{package['name']} {package['version']}: {each['id']}, {mended}. {each['description']}")
    if skipped:
        print(
            f"Not audited: the advisory service tells nothing of {len(skipped)} of {len(packages)} packages. "
            f"Of the first, pip-audit says: {skipped[0]['skip_reason']}",
            file=sys.stderr,
        )
    elif not found:
        print(f"{len(packages)} packages are locked, and no vulnerability of them is known.")
    return VULNERABLE if found else NOT_DONE if skipped else SOUND


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
