"""The errors of a conversation with a Tracker server, named by what happens next.

    TrackerError
    ├── RetryableError           the same request is sent again, after a wait
    ├── FatalError               the whole sync ends: the user has to change the configuration
    │   ├── TokenRefused
    │   └── SourceUnavailable
    ├── SkippableError           this one list of this one project is skipped, with a warning
    ├── ParametersRefused        the server is asked again, for less
    ├── SourceChanged            its streams end as incomplete: to ask again would bring the same
    └── IncompleteError          the streams that wanted it end as incomplete
        └── InvalidResponse

What still stands at the end of these (a RetryableError after its last attempt, say) leaves its streams incomplete too.
`answers.py` has the table from an answer to its error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

FORBIDDEN, NOT_FOUND = 403, 404
GONE = "unfound_resource"
"""Tracker's own word that a thing is not there (any more)."""
UNAUTHORIZED = "unauthorized_operation"
"""Its word that a thing is there, in a project that this token does not read."""
UNROUTED = "route_not_found"
"""Its word that there is no such endpoint, for any thing."""
ANSWER = "answer"
"""The attribute of a log record in which the answer is, without more words, for which something is skipped."""


class TrackerError(Exception):
    """A request that brought no usable answer. The subclasses are named after what happens next.

    `reason` is what went wrong, `path` what was asked for (relative to the base URL), `hint` a sentence on what the
    user can do. `status` is the HTTP status, or None where no answer came; `code` is Tracker's own error code, where
    it gave one. The text is made of the first three: `GET /me: 404 Not Found. Is the address complete?`
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str | None = None,
        hint: str | None = None,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.hint = hint
        self.status = status
        self.code = code
        self.method = "GET"

    @property
    def cause(self) -> str:
        """What went wrong with which request, without the hint."""
        return self.reason if self.path is None else f"{self.method} /{self.path}: {self.reason}"

    def __str__(self) -> str:
        return f"{self.cause}. {self.hint}" if self.hint else self.cause


class RetryableError(TrackerError):
    """Likely gone in a while: the same request is sent again, after `retry_after` seconds if the server named them.

    `is_timeout`: the server, or a gateway before it, found that the answer takes too long.
    """

    retry_after: float | None = None
    is_timeout: bool = False


class FatalError(TrackerError):
    """No other request can succeed, so the sync ends; the user has to change the configuration."""


class TokenRefused(FatalError):
    """The server does not accept the token."""


class SourceUnavailable(FatalError):
    """There is nothing that could answer, such as a readable export: the text says what the user has to change."""


class SkippableError(TrackerError):
    """Tracker itself says that this is missing or forbidden: the one list is skipped, with a warning."""

    def answer_at(self, path: str) -> str:
        """What was asked for, and what the server answered."""
        return f"{path}: {self.status} {self.code or ''}".rstrip()


class ParametersRefused(TrackerError):
    """The server refuses a parameter or a field: it may be asked again for less."""


class SourceChanged(TrackerError):
    """An export is not what it was when it was opened: the streams that wanted more of it end as incomplete."""


class IncompleteError(TrackerError):
    """Nothing can be done: the streams that wanted the answer end as incomplete."""


class InvalidResponse(IncompleteError):
    """The answer is not one of Tracker v5, or contradicts itself."""


@contextmanager
def answer_of(path: str) -> Iterator[None]:
    """An IncompleteError that is raised while an answer is read names the request, unless it names one already."""
    try:
        yield
    except IncompleteError as error:
        error.path = error.path or path
        raise


def traced(error: TrackerError, words: str | None = None) -> AirbyteTracedException:
    """The cdk's error for ours, with its kind of failure; `words` stand in place of the error's own text."""
    types = {FatalError: FailureType.config_error, RetryableError: FailureType.transient_error}
    failure_type = next((types[kind] for kind in types if isinstance(error, kind)), FailureType.system_error)
    return AirbyteTracedException(internal_message=str(error), message=words or str(error), failure_type=failure_type)


def stopped_by(error: FatalError) -> AirbyteTracedException:
    """The cdk's error for the one that ends a whole sync."""
    words = f"api_token: the server does not accept it ({error})." if isinstance(error, TokenRefused) else None
    return traced(error, words)
