"""A folder or an object store has each content once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from source_pivotal_tracker.attachments.file_store import FileStore


class ReadTogether(BytesIO):
    """A file whose first reader waits at its end until another has come to the end of theirs."""

    def __init__(self, content: bytes, both_read: threading.Barrier) -> None:
        super().__init__(content)
        self._both_read: threading.Barrier | None = both_read

    def read(self, most: int | None = -1) -> bytes:
        block = super().read(most)
        if not block and self._both_read:
            both_read, self._both_read = self._both_read, None
            both_read.wait(timeout=20)
        return block


def test_one_content_that_comes_twice_at_a_time_is_written_once(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    with ThreadPoolExecutor(2) as threads:
        for number in range(20):
            both_read = threading.Barrier(2)
            files = [ReadTogether(bytes([number]) * 1_000_000, both_read) for _ in range(2)]
            copies = list(threads.map(store.add, files, ("one.png", "other.png"), ("image/png",) * 2))
            assert copies[0] == copies[1]
            assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == number + 1
