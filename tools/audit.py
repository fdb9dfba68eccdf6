"""Looks up what a lock file holds in an advisory service: `python -m tools.audit [--osv URL] [LOCK]`.

pip-audit does it. To pip-audit, a package that the service tells nothing of is sound; here it was not audited.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pip_audit._audit import Auditor
from pip_audit._dependency_source import RequirementSource
from pip_audit._service import ConnectionError as NoConnection
from pip_audit._service import OsvService, PyPIService
from requests import exceptions

LOCK = Path(__file__).resolve().parent.parent / "requirements.txt"
SOUND, VULNERABLE, FAILED, OUT_OF_REACH = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Say what is known of the locked packages; returns the exit status.

    That is 0 where nothing is known against any, 1 for a vulnerability, 3 where the service cannot be reached or tells
    nothing of a package, and 2 for any other failure, such as a lock that cannot be read.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("lock", nargs="?", type=Path, default=LOCK, metavar="LOCK", help="(%(default)s)")
    parser.add_argument("--osv", metavar="URL", help="a service that speaks as OSV does, to be asked in place of PyPI")
    options = parser.parse_args(arguments)
    service = OsvService(osv_url=options.osv) if options.osv else PyPIService()
    lock = RequirementSource([options.lock], require_hashes=True, disable_pip=True)
    try:
        audited = list(Auditor(service).audit(lock))
    except Exception as error:
        reason = error.__cause__ or error
        if _is_out_of_reach(reason):
            print(f"Not audited: the advisory service cannot be reached. {reason}", file=sys.stderr)
            return OUT_OF_REACH
        print(f"The audit failed: {type(reason).__name__}: {reason}", file=sys.stderr)
        return FAILED
    found = [(package, advisory) for package, known in audited for advisory in known]
    skipped = [package for package, _ in audited if package.is_skipped()]
    for package, advisory in found:
        versions = ", ".join(map(str, advisory.fix_versions))
        mended = f"mended in {versions}" if versions else "not mended yet"
        print(f"{package.name} {package.version}: {advisory.id}, {mended}. {advisory.description}")
    if skipped:
        print(
            f"Not audited: the advisory service tells nothing of {len(skipped)} of {len(audited)} packages. "
            f"Of the first, pip-audit says: {skipped[0].skip_reason}",
            file=sys.stderr,
        )
    elif not found:
        print(f"{len(audited)} packages are locked, and no vulnerability of them is known.")
    return VULNERABLE if found else OUT_OF_REACH if skipped else SOUND


def _is_out_of_reach(error: BaseException) -> bool:
    """Whether no answer came, or one that says that the service itself is in trouble."""
    if isinstance(error, exceptions.HTTPError):
        return error.response.status_code >= 500
    no_answer = (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError, NoConnection)
    return isinstance(error, no_answer)


if __name__ == "__main__":
    sys.exit(main())
