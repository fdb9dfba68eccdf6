"""Who is asking: the API token on every request."""

from __future__ import annotations

from requests import PreparedRequest
from requests.auth import AuthBase


class TokenAuth(AuthBase):
    """Sends the token as `X-TrackerToken` (recording get_me.json)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["X-TrackerToken"] = self._token
        return request
