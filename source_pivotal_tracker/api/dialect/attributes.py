"""The attributes that other servers call by other names."""

from __future__ import annotations

from typing import Any


def normalise(body: Any) -> None:
    """Give the rows of an answer, which may be one row or a list, the names that Tracker has for their attributes.

    Other servers call the name of a story or a project its `title`, and name the owners by `user_id`.
    """
    for row in body if isinstance(body, list) else (body,):
        if not isinstance(row, dict):
            continue
        if "title" in row and "name" not in row:
            row["name"] = row.pop("title")
        if "owners" in row:
            owners = row.pop("owners")
            if "owner_ids" not in row and isinstance(owners, list):
                row["owner_ids"] = [
                    owner.get("user_id", owner.get("id")) for owner in owners if isinstance(owner, dict)
                ]
