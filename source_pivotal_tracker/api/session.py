"""The one seam to the network: every request to a Tracker server leaves through here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

from source_pivotal_tracker.api.auth import TokenAuth
from source_pivotal_tracker.api.response import TrackerResponse

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
"""Seconds of silence."""
LONGEST_ANSWER = 300.0
"""Seconds. A server that sends a byte now and then is never silent, and never comes to an end."""
CONNECTIONS = 20
LONGEST_DOWNLOAD = 1800.0
"""Seconds, for a file."""
PIECE = 1024 * 1024
LARGEST_EXPLANATION = 65_536
"""Bytes that are read of what a server answers in place of a file."""


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class TrackerSession(requests.Session):
    """A session that carries the token, if there is one, gives up on silence, and takes the token to no other host."""

    def __init__(
        self,
        token: str | None,
        adapter: BaseAdapter | None = None,
        *,
        longest_answer: float = LONGEST_ANSWER,
        longest_download: float = LONGEST_DOWNLOAD,
    ) -> None:
        """`adapter` replaces the network (exports, tests); `longest_answer` and `longest_download` are in seconds."""
        super().__init__()
        self._longest_answer = longest_answer
        self._longest_download = longest_download
        # Without any, requests would send what the user's .netrc has for the host.
        self.auth = TokenAuth(token) if token else _no_auth
        self.headers["Accept"] = "application/json"
        adapter = adapter or HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self._environment: dict[tuple[str, str], Any] = {}

    def read(self, url: str, params: Mapping[str, str | int] | None, body: bytes | None = None) -> TrackerResponse:
        """Returns all of the answer to a GET, or to a POST of a JSON body. A redirect is named in it and not followed.

        Raises requests.RequestException.
        """
        began = time.monotonic()
        with self._begun(url, params, body) as response:
            body = b"".join(_pieces(response, began, self._longest_answer))
            answer = TrackerResponse(response.request, response.status_code, response.reason, response.headers, body)
            answer.redirect = response.next.url if response.next else None
            return answer

    def download(self, url: str, out: Callable[[bytes], object]) -> TrackerResponse:
        """Hands the body of a good answer to `out`, in pieces; it is not in what is returned.

        Where an answer leads is named in it, also if that is another host. Raises requests.RequestException, and what
        `out` raises.
        """
        # Compressed on the way, a file would have another size than its row says.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        began = time.monotonic()
        with self._begun(url, None, headers=headers) as response:
            answer = TrackerResponse(response.request, response.status_code, response.reason, response.headers, b"")
            if target := super().get_redirect_target(response):
                answer.redirect = requests.compat.urljoin(response.url, target)
            elif response.status_code != requests.codes.ok:
                for piece in _pieces(response, began, self._longest_download):
                    answer.content += piece
                    if len(answer.content) > LARGEST_EXPLANATION:
                        break
            else:
                for piece in _pieces(response, began, self._longest_download):
                    out(piece)
            return answer

    def _begun(
        self,
        url: str,
        params: Mapping[str, str | int] | None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The answer without its body."""
        timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
        method = "GET" if body is None else "POST"
        try:
            return self.request(
                method,
                url,
                params=params,
                data=body,
                headers=headers if body is None else {"Content-Type": "application/json"},
                timeout=timeout,
                stream=True,
                allow_redirects=False,
            )
        except TypeError as error:
            # What requests makes of a proxy with a user and no host.
            raise requests.exceptions.InvalidProxyURL(str(error)) from None

    def merge_environment_settings(self, url: str, *others: Any) -> Any:  # type: ignore[override]
        """As requests has it, which goes through the whole environment, but once for each host."""
        place = urlsplit(url)[:2]
        if place not in self._environment:
            self._environment[place] = super().merge_environment_settings(url, *others)
        return self._environment[place]

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where a redirect leads, if that is the same host by the same scheme; else None: it is not followed.

        requests would take the `X-TrackerToken` header along to any host. An address that is not UTF-8 leads nowhere.
        """
        try:
            target = super().get_redirect_target(resp)
            if target is None or resp.request.url is None:
                return None
            is_here = are_on_one_host(resp.request.url, requests.compat.urljoin(resp.request.url, target))
        except ValueError:
            return None
        return target if is_here else None


def are_on_one_host(url: str, other: str) -> bool:
    """Whether two addresses are on the same host and port, by the same scheme. Raises ValueError for what is none."""
    return urlsplit(url)[:2] == urlsplit(other)[:2]


def is_as_safe(url: str, target: str) -> bool:
    """Whether a redirect leads to the web, and from https to nothing less."""
    here, there = urlsplit(url), urlsplit(target)
    return bool(there.hostname) and (there.scheme == "https" or (there.scheme, here.scheme) == ("http", "http"))


def _pieces(response: requests.Response, began: float, longest: float) -> Iterator[bytes]:
    """The body, as much at a time as has come: requests itself would take a large page in hundreds of pieces.

    It has to end within so many seconds from when the request `began`. Raises requests.RequestException.
    """
    try:
        while piece := response.raw.read1(PIECE, decode_content=True):
            yield piece
            if time.monotonic() > began + longest:
                raise requests.ReadTimeout(f"the answer had not ended after {longest:g} s")
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except urllib3.exceptions.SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
