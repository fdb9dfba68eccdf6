"""What all who use an object store share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def errors_of_the_store() -> Iterator[None]:
    """Turns the errors of an object store into an OSError with their first line; internals of the library follow it."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        raise OSError(str(error).partition("\n")[0].rstrip(".: ")) from None
