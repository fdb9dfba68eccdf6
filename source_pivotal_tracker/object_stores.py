"""What all who use an object store share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit


@contextmanager
def errors_of_the_store() -> Iterator[None]:
    """Turns the errors of an object store into an OSError with their first line; internals of the library follow it."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        raise OSError(str(error).partition("\n")[0].rstrip(".: ")) from None


def opened(url: str) -> tuple[Any, str, str]:
    """The store of a URL, the URL of its root, and the path below that, without slashes at its ends. Raises OSError.

    The credentials come from the environment, as they do for the store's own tools.
    """
    # Loaded only where it is needed: it is large.
    from obstore.store import from_url

    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}"
    with errors_of_the_store():
        return from_url(root), root, unquote(parts.path).strip("/")


def listed(store: Any, folder: str) -> Iterator[Any]:
    """The files in a folder of a store and below it, an empty one for all of them. Raises OSError."""
    import obstore

    with errors_of_the_store():
        for batch in obstore.list(store, folder or None):
            # Some programs write an empty file to stand for a folder.
            yield from (entry for entry in batch if not str(entry["path"]).endswith("/"))
