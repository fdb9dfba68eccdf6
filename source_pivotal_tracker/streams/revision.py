"""How far a project has come."""

from __future__ import annotations

from typing import NewType

Revision = NewType("Revision", int)
"""A number that is equal for two looks at a project only if nothing in it changed between them.

- Tracker's `version` of a project (header `X-Tracker-Project-Version`): each change adds 1, so the activity has a
  `project_version` for every one, and a missing number is a missing change.
- Where a server shows none (LiteTracker): the seconds since 1970 of the newest activity. Later is newer, several
  changes can share one, and no gap can be seen.
- Of exports: a digest of the files. It is equal or different, and nothing else.

In a state it is called `version`. Whoever subtracts two of them assumes the first kind.
"""
