"""What a destination holds after syncs of which some were cut off, and what of it came in vain."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.models import Type as MessageType

from unit_tests.replica import Replica
from unit_tests.syncs import BY_NAME, Row, Sync, key_of

Records = dict[str, list[Row]]


class Destination:
    """Merges by key, takes a tombstone as a deletion, and replaces streams without a cursor when they are complete."""

    def __init__(self) -> None:
        self.replica = Replica()
        self._unfinished: Records = defaultdict(list)

    def load(self, sync: Sync, *, up_to_the_states: bool = False) -> Counter[str]:
        """Take in what a sync sent; returns by stream how many rows came again as they were, of those with a cursor.

        A destination may keep what came after the last state of a stream, or, with `up_to_the_states`, lose it.
        """
        came: Records = covered(sync.output) if up_to_the_states else dict(sync.records)
        again = Counter(name for name, rows in came.items() for row in rows if self._is_known(name, row))
        whole: Records = {}
        for name, stream in BY_NAME.items():
            if not stream.cursor_field and name in sync.statuses:
                self._unfinished[name] += came.pop(name, [])
                if sync.statuses[name][-1] == "COMPLETE":
                    whole[name] = self._unfinished.pop(name)
        self.replica.take(came | whole)
        return again

    def _is_known(self, name: str, row: Row) -> bool:
        if not BY_NAME[name].cursor_field:
            return False
        held = self.replica.rows[name].get(key_of(name, row))
        return held is None if row.get("_ab_cdc_deleted_at") else held == row


def covered(messages: Iterable[AirbyteMessage]) -> Records:
    """The records that stand before the last state of their stream."""
    records: Records = defaultdict(list)
    pending: Records = defaultdict(list)
    for message in messages:
        if message.type == MessageType.RECORD and message.record:
            pending[message.record.stream].append(dict(message.record.data))
        elif message.type == MessageType.STATE and message.state and message.state.stream:
            name = message.state.stream.stream_descriptor.name
            records[name] += pending.pop(name, [])
    return records
