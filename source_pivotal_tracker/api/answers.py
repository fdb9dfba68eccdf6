"""What came back: the JSON of a good answer, or the error that one table names by status and Tracker's error code."""

from __future__ import annotations

import email.utils
import os
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from source_pivotal_tracker.api.dialect.attributes import normalise
from source_pivotal_tracker.api.dialect.values import Oddities, read_json
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

TIMEOUTS = (408, 504)
RETRYABLE_CODES = frozenset({"deadlock", "server_under_load", "timeout"})
CODES = RETRYABLE_CODES | {
    *("api_external_error", "api_internal_error", "cant_parse_json", "capability_access_denied"),
    *("component_unavailable", "content_format_not_found", "could_not_parse_body", "duplicate_entry"),
    *("enterprise_signup_error", "http_method_not_supported", "https_required", "integration_error"),
    *("invalid_authentication", "invalid_parameter", "invalid_upload", "not_acceptable", "request_entity_too_large"),
    *("requires_get", "requires_post", "route_not_found", "unauthenticated", "unauthorized_operation"),
    *("unfound_resource", "unhandled_condition", "xhr_required"),
}
"""Tracker's error codes."""
LONGEST_FOREIGN_WORDS = 200
CA_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables that name the user's own certificates to `requests`."""
PROXY_WANTS_A_PASSWORD = 407
SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
LONGEST_RETRY_AFTER = 300.0
"""Seconds; a server that asks for more is asked again after these."""


def parse_body(response: TrackerResponse, *, mend_times: bool = True) -> Any:
    """The JSON of a successful answer, with its attributes and values as v5 documents them.

    Without `mend_times`, its times are known to be so.

    Raises RetryableError for a body that is cut short, empty or no JSON at all (a proxy's page), and the error that
    the table names for every other status.
    """
    if response.status == 200:
        try:
            body, response.oddities = read_body(response.content, mend_times=mend_times)
        except ValueError:
            kind = response.headers.get("Content-Type", "no content type")
            reason = f"200, but the body is not JSON ({len(response.content)} bytes, {kind})"
            raise RetryableError(reason, status=200) from None
        return body
    raise of_response(response)


def read_body(content: bytes, *, mend_times: bool = True) -> tuple[Any, Oddities]:
    """What a successful answer holds, in Tracker's form, and what was mended in it. Raises ValueError for no JSON."""
    body, oddities = read_json(content, mend_times=mend_times)
    normalise(body)
    return body, oddities


def of_exception(error: OSError, url: str) -> TrackerError:
    """The TrackerError for a request below `url` that got no complete answer, or that could not even be made."""
    if not isinstance(error, requests.RequestException):
        if "certificate" in str(error):
            return _of_certificates(str(error))
        return IncompleteError(f"the request could not be sent: {error}")
    if isinstance(error, requests.exceptions.SSLError):
        return _of_bundle() or IncompleteError(f"no secure connection: {_reason(error)}")
    if isinstance(error, requests.Timeout):
        late = RetryableError(f"no answer in time: {_reason(error)}")
        late.is_timeout = isinstance(error, requests.ReadTimeout)
        return late
    if isinstance(error, requests.ConnectionError):
        return _of_connection(error, _proxy_for(url))
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return RetryableError(f"the answer was cut short: {_reason(error)}")
    # The address of the server was looked at when the configuration was read, so it is that of the proxy.
    proxy = _proxy_for(url)
    if proxy and isinstance(error, requests.exceptions.InvalidSchema):
        return _of_proxy(proxy, f"it cannot be spoken to ({error})")
    if proxy and isinstance(error, requests.exceptions.InvalidURL):
        return _of_proxy(proxy, "it is no address of a host and a port")
    return IncompleteError(f"the request could not be sent: {_reason(error)}")


def _of_connection(error: requests.ConnectionError, proxy: tuple[str, str] | None) -> TrackerError:
    reason = _reason(error)
    if proxy is None:
        return RetryableError(f"no connection: {reason}")
    if f"{PROXY_WANTS_A_PASSWORD} " in reason:
        return _of_proxy(proxy, f"it does not accept its user and password ({reason})")
    return RetryableError(f"no connection to the proxy {proxy[1]}: {reason}")


def _proxy_for(url: str) -> tuple[str, str] | None:
    """The variable that names a proxy for a URL, and that proxy without its user's name and password."""
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if proxy is None:
        return None
    names = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    variants = [variant for name in names for variant in (name, name.upper())]
    variable = next(filter(os.environ.get, variants), names[0])
    scheme, separator, rest = proxy.rpartition("://")
    return variable, f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _of_proxy(proxy: tuple[str, str], reason: str) -> SourceUnavailable:
    variable, address = proxy
    return SourceUnavailable(f"the proxy {address} that {variable} names cannot be used: {reason}")


def _of_certificates(reason: str) -> SourceUnavailable:
    """The error for certificates that the environment names and `requests` cannot use."""
    name = next(filter(os.environ.get, CA_BUNDLES), CA_BUNDLES[0])
    return SourceUnavailable(f"the certificates that {name} names cannot be read: {reason}")


def _of_bundle() -> SourceUnavailable | None:
    """The error for a file of certificates that the environment names, if there is no certificate in it to use."""
    path = next(filter(None, map(os.environ.get, CA_BUNDLES)), None)
    if path is None or not os.path.isfile(path):
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        return _of_certificates(f"{path} holds none that can be used ({error})")
    return None


def of_response(response: TrackerResponse) -> TrackerError:
    """The TrackerError for an answer whose status is not 200."""
    status = response.status
    body = _object_in(response)
    is_trackers = _is_trackers(body)
    code = body.get("code") if is_trackers else None
    reason = _reason_in(response, body, is_trackers=is_trackers)
    if status == PROXY_WANTS_A_PASSWORD:
        proxy = _proxy_for(response.request.url or "")
        if proxy:
            return _of_proxy(proxy, f"it does not accept its user and password ({status})")
    if status == 401 or code == "invalid_authentication":
        return TokenRefused(reason, status=status, code=code)
    if status in (408, 429) or status >= 500 or code in RETRYABLE_CODES:
        error = RetryableError(reason, status=status, code=code)
        error.retry_after = _retry_after(response.headers)
        error.is_timeout = status in TIMEOUTS or code == "timeout"
        return error
    if status in (400, 422) and code in (None, "invalid_parameter"):
        return ParametersRefused(reason, status=status, code=code)
    if status in (403, 404) and is_trackers:
        return SkippableError(reason, status=status, code=code)
    return InvalidResponse(reason, status=status, code=code)


def _object_in(response: TrackerResponse) -> Mapping[str, Any]:
    """The JSON object that explains an error; empty where there is none."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _is_trackers(body: Mapping[str, Any]) -> bool:
    """Whether an error object is Tracker's, and not that of a gateway before it.

    Rows are skipped, or taken for deleted, on the strength of Tracker's own words only.
    """
    code, error = body.get("code"), body.get("error")
    if code is not None and not isinstance(code, str):
        return False
    return code in CODES or (body.get("kind") == "error" and isinstance(error, str))


def _reason_in(response: TrackerResponse, body: Mapping[str, Any], *, is_trackers: bool) -> str:
    """What went wrong, in Tracker's words where it explains itself, and else with what somebody else says of it."""
    status = response.status
    if 300 <= status < 400:
        return f"{status}, a redirect to {response.headers.get('Location', 'nowhere')}, which is not followed"
    if not is_trackers:
        words = next((body[key] for key in ("error", "message") if body.get(key) and isinstance(body[key], str)), "")
        reason = f"{status} {response.reason or ''}".strip() + ", but not a Tracker API error"
        return f"{reason}: {words[:LONGEST_FOREIGN_WORDS]}" if words else reason
    parts = [str(body[key]) for key in ("error", "general_problem", "possible_fix") if body.get(key)]
    return " ".join([f"{status} {body.get('code') or ''}".strip() + ":", *parts])


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the server asks to wait; a date is held against the server's own clock, where it tells that."""
    value = headers.get("Retry-After", "").strip()
    if SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        until = _timestamp(value)
        if until is None:
            return None
        now = _timestamp(headers.get("Date", ""))
        seconds = until - (time.time() if now is None else now)
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _timestamp(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (IndexError, OverflowError, TypeError, ValueError):
        return None


def _reason(error: Exception) -> str:
    """Returns the innermost cause, which is the informative one: `Connection refused`, not the repr of a pool."""
    cause: BaseException = error
    while True:
        deeper = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if not isinstance(deeper, BaseException):
            return str(cause) or type(cause).__name__
        cause = deeper
