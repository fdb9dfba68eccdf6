"""What a destination holds after some syncs, and in what it differs from the server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from unit_tests.expected_keys import Key
from unit_tests.syncs import BY_NAME, Row, Sync, key_of

Rows = dict[str, dict[Key, Row]]
"""By stream and by key."""


class Replica:
    """What a destination holds that merges by key and takes a tombstone as a deletion."""

    def __init__(self, *syncs: Sync) -> None:
        self.rows: Rows = defaultdict(dict)
        self._times: dict[str, dict[Key, str]] = defaultdict(dict)
        for sync in syncs:
            self.load(sync)

    def load(self, sync: Sync) -> None:
        """Take in the records of a sync."""
        self.take(sync.records)

    def take(self, records_of: Mapping[str, Iterable[Row]]) -> None:
        """Take in records, by stream, in their order; a row with a newer cursor is never replaced by an older.

        A row without one is older than all that have one. Streams without a cursor are replaced as a whole.
        """
        for name, records in records_of.items():
            stream = BY_NAME[name]
            if not stream.cursor_field:
                self.rows[name] = {}
            for record in records:
                time = str(record.get(str(stream.cursor_field)) or "")
                place = key_of(name, record)
                held = self._times[name].get(place)
                if held is not None and stream.cursor_field and time < held:
                    continue
                if stream.cursor_field:
                    self._times[name][place] = time
                if record.get("_ab_cdc_deleted_at"):
                    self.rows[name].pop(place, None)
                else:
                    self.rows[name][place] = record

    def differences(self, server: Replica) -> list[str]:
        """What is not as in the replica of one full read, apart from what hung on things that are gone."""
        return differences(self.rows, server.rows)


def differences(held: Rows, served: Rows) -> list[str]:
    """What a destination holds otherwise than the server serves it, apart from what hung on things that are gone."""
    mine, theirs = _without_orphans(held), _without_orphans(served)
    return [difference for name in BY_NAME for difference in _differences(name, mine[name], theirs[name])]


def _without_orphans(rows: Rows) -> Rows:
    """Leaves out what hung on a story, an epic or a comment that is gone: no activity names it, a join finds it."""
    parents = {"story_id": {key[0] for key in rows["stories"]}, "epic_id": {key[0] for key in rows["epics"]}}
    held: Rows = defaultdict(dict)
    for name in sorted(rows, key=lambda name: "comments" not in name):
        held[name] = {
            key: row
            for key, row in rows[name].items()
            if name == "notifications"
            or all(row.get(parent_id) is None or row[parent_id] in ids for parent_id, ids in parents.items())
        }
        if "comments" in name:
            parents["comment_id"] = parents.get("comment_id", set()) | {key[0] for key in held[name]}
    return held


def _differences(name: str, mine: dict[Key, Row], theirs: dict[Key, Row]) -> list[str]:
    found = [f"{name} {key} is missing" for key in theirs.keys() - mine.keys()]
    found += [f"{name} {key} is not on the server" for key in mine.keys() - theirs.keys()]
    for key in mine.keys() & theirs.keys():
        attributes = mine[key].keys() | theirs[key].keys()
        other = {attribute for attribute in attributes if mine[key].get(attribute) != theirs[key].get(attribute)}
        found += [f"{name} {key} differs in {sorted(other)}"] if other else []
    return found
