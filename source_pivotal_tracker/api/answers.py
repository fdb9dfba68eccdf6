"""What came back: the JSON of a good answer, or the error that one table names by status and Tracker's error code."""

from __future__ import annotations

import email.utils
import os
import re
import time
from collections.abc import Mapping
from typing import Any

import orjson
import requests

from source_pivotal_tracker.api.dialect.attributes import normalise
from source_pivotal_tracker.api.dialect.values import read_json
from source_pivotal_tracker.api.errors import (
    IncompleteError,
    InvalidResponse,
    ParametersRefused,
    RetryableError,
    SkippableError,
    SourceUnavailable,
    TokenRefused,
    TrackerError,
)
from source_pivotal_tracker.api.response import TrackerResponse

RETRYABLE_CODES = frozenset({"deadlock", "server_under_load", "timeout"})
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables that name the user's own certificates to `requests`."""
SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
LONGEST_RETRY_AFTER = 300.0
"""Seconds; a server that asks for more is asked again after these."""


def parse_body(response: TrackerResponse) -> Any:
    """The JSON of a successful answer, with its attributes and values as v5 documents them.

    Raises RetryableError for a body that is cut short, empty or no JSON at all (a proxy's page), and the error that
    the table names for every other status.
    """
    if response.status == 200:
        try:
            body, response.oddities = read_json(response.content)
        except ValueError:
            kind = response.headers.get("Content-Type", "no content type")
            reason = f"200, but the body is not JSON ({len(response.content)} bytes, {kind})"
            raise RetryableError(reason, status=200) from None
        normalise(body)
        return body
    raise of_response(response)


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
    """The error for certificates that the environment names and `requests` cannot read."""
    name = next(filter(os.environ.get, CA_BUNDLES), CA_BUNDLES[0])
    return SourceUnavailable(f"the certificates that {name} names cannot be read: {error}")


def of_response(response: TrackerResponse) -> TrackerError:
    """The TrackerError for an answer whose status is not 200."""
    status = response.status
    explanation = _tracker_error(response)
    code = explanation.get("code")
    reason = _reason_in(response, explanation)
    if status == 401 or code == "invalid_authentication":
        return TokenRefused(reason, status=status, code=code)
    if status in (408, 429) or status >= 500 or code in RETRYABLE_CODES:
        error = RetryableError(reason, status=status, code=code)
        error.retry_after = _retry_after(response.headers)
        return error
    if status in (400, 422) and code in (None, "invalid_parameter"):
        return ParametersRefused(reason, status=status, code=code)
    if status in (403, 404) and explanation:
        return SkippableError(reason, status=status, code=code)
    return InvalidResponse(reason, status=status, code=code)


def _tracker_error(response: TrackerResponse) -> Mapping[str, Any]:
    """Returns Tracker's error object, or an empty one if something else answered (a proxy, a web page)."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) and ("code" in body or "error" in body) else {}


def _reason_in(response: TrackerResponse, explanation: Mapping[str, Any]) -> str:
    """What went wrong, in Tracker's words where it explains itself."""
    status = response.status
    if 300 <= status < 400:
        return f"{status}, a redirect to {response.headers.get('Location', 'nowhere')}, which is not followed"
    if not explanation:
        return f"{status} {response.reason or ''}".strip() + ", but not a Tracker API error"
    parts = [str(explanation[key]) for key in ("error", "general_problem", "possible_fix") if explanation.get(key)]
    return " ".join([f"{status} {explanation.get('code', '')}".strip() + ":", *parts])


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
    """Returns the innermost cause, which is the informative one: `Connection refused`, not the repr of a pool."""
    cause: BaseException = error
    while True:
        deeper = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if not isinstance(deeper, BaseException):
            return str(cause) or type(cause).__name__
        cause = deeper
