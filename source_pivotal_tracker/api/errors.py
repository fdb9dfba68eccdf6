"""What a bad answer means: one table from status and Tracker's error code to what happens next."""

from __future__ import annotations

import email.utils
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.api.response import TrackerResponse
from source_pivotal_tracker.api.values import read_json

PASSING_CODES = frozenset({"deadlock", "server_under_load", "timeout"})
FORBIDDEN, NOT_FOUND = 403, 404
GONE = "unfound_resource"
"""Tracker's own word that a thing is not there (any more)."""
UNROUTED = "route_not_found"
"""Its word that there is no such endpoint, for any thing."""
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables by which `requests` finds certificates of its user's own."""
SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
LONGEST_RETRY_AFTER = 300.0
"""Seconds; a server that asks for more is asked again after these."""


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

    @property
    def cause(self) -> str:
        """What went wrong with which request, without the hint."""
        return self.reason if self.path is None else f"GET /{self.path}: {self.reason}"

    def __str__(self) -> str:
        return f"{self.cause}. {self.hint}" if self.hint else self.cause


class RetryableError(TrackerError):
    """Likely gone in a while: the same request is sent again, after `retry_after` seconds if the server named them."""

    retry_after: float | None = None


class FatalError(TrackerError):
    """Nothing else can succeed, so everything stops; the user has to change the configuration."""


class TokenRefused(FatalError):
    """The server does not know the token."""


class SkippableError(TrackerError):
    """Not there, or not for this token, says Tracker itself: this one thing is skipped, with a warning."""


class ParametersRefused(TrackerError):
    """The request asked for what this server does not know: it may be asked again for less."""


class IncompleteError(TrackerError):
    """Nothing helps: what was being read is incomplete."""


class InvalidResponse(IncompleteError):
    """The answer is none of Tracker v5, or contradicts itself."""


@contextmanager
def answer_of(path: str) -> Iterator[None]:
    """An IncompleteError that is raised while an answer is read names the request, unless it names one already."""
    try:
        yield
    except IncompleteError as error:
        error.path = error.path or path
        raise


class SourceUnavailable(FatalError):
    """There is nobody to answer: the text tells the user what is wrong with the configuration."""


def parse_body(response: TrackerResponse) -> Any:
    """The JSON of a successful answer, with its values as v5 documents them.

    Raises RetryableError for a body that is cut short, empty or no JSON at all (a proxy's page), and the error that
    the table names for every other status.
    """
    if response.status == 200:
        try:
            body, response.oddities = read_json(response.content)
            return body
        except ValueError:
            kind = response.headers.get("Content-Type", "no content type")
            raise RetryableError(
                f"200, but {len(response.content)} bytes of {kind} that are no JSON", status=200
            ) from None
    raise _error(response)


def of_exception(error: OSError) -> TrackerError:
    """The TrackerError for a request that got no complete answer, or that could not even be made."""
    if not isinstance(error, requests.RequestException):
        if "certificate" in str(error):
            return _of_environment(error)
        return IncompleteError(f"the request could not be sent: {error}")
    if isinstance(error, requests.exceptions.SSLError):
        return IncompleteError(f"no secure connection: {_reason(error)}")
    if isinstance(error, requests.Timeout):
        return RetryableError(f"no answer in time: {_reason(error)}")
    if isinstance(error, requests.ConnectionError):
        proxy = _proxy_of(error)
        if proxy:
            return RetryableError(f"no connection to the proxy {proxy}: {_reason(error)}")
        return RetryableError(f"no connection: {_reason(error)}")
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return RetryableError(f"the answer was cut short: {_reason(error)}")
    return IncompleteError(f"the request could not be sent: {_reason(error)}")


def _proxy_of(error: requests.RequestException) -> str | None:
    """The proxy that the environment names for the request, without its user's name and password."""
    url = str(error.request.url) if error.request is not None else ""
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url)) if url else None
    if proxy is None:
        return None
    scheme, separator, rest = proxy.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _of_environment(error: OSError) -> SourceUnavailable:
    """The error for a file that `requests` wants because the environment names it, and that cannot be read."""
    name = next(filter(os.environ.get, CA_BUNDLES), CA_BUNDLES[0])
    return SourceUnavailable(f"the certificates that {name} names cannot be read: {error}")


def _error(response: TrackerResponse) -> TrackerError:
    status = response.status
    said = _tracker_error(response)
    code = said.get("code")
    words = _words(status, said, response)
    if status == 401 or code == "invalid_authentication":
        return TokenRefused(words, status=status, code=code)
    if status in (408, 429) or status >= 500 or code in PASSING_CODES:
        error = RetryableError(words, status=status, code=code)
        error.retry_after = _retry_after(response.headers)
        return error
    if status in (400, 422) and code in (None, "invalid_parameter"):
        return ParametersRefused(words, status=status, code=code)
    if status in (403, 404) and said:
        return SkippableError(words, status=status, code=code)
    return InvalidResponse(words, status=status, code=code)


def _tracker_error(response: TrackerResponse) -> Mapping[str, Any]:
    """Tracker's error object, or nothing where the answer comes from somebody else (a proxy, a web page)."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) and ("code" in body or "error" in body) else {}


def _words(status: int, said: Mapping[str, Any], response: TrackerResponse) -> str:
    if 300 <= status < 400:
        return f"{status}, a redirect to {response.headers.get('Location', 'nowhere')}, which is not followed"
    if not said:
        return f"{status} {response.reason or ''}".strip() + ", not in Tracker's words"
    parts = [str(said[key]) for key in ("error", "general_problem", "possible_fix") if said.get(key)]
    return " ".join([f"{status} {said.get('code', '')}".strip() + ":", *parts])


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "").strip()
    if SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _reason(error: Exception) -> str:
    """The innermost cause, which is the one that tells something: `Connection refused`, not a pool's repr."""
    cause: BaseException = error
    while True:
        deeper = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if not isinstance(deeper, BaseException):
            return str(cause) or type(cause).__name__
        cause = deeper


def traced(error: TrackerError, words: str | None = None) -> AirbyteTracedException:
    """The cdk's error for ours: whose fault it is, in the error's own words or in better ones."""
    kind = {FatalError: FailureType.config_error, RetryableError: FailureType.transient_error}
    failure_type = next((kind[each] for each in kind if isinstance(error, each)), FailureType.system_error)
    return AirbyteTracedException(internal_message=str(error), message=words or str(error), failure_type=failure_type)


def stopped_by(error: FatalError) -> AirbyteTracedException:
    words = f"api_token: the server does not accept it ({error})." if isinstance(error, TokenRefused) else None
    return traced(error, words)
