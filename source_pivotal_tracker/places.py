"""The addresses and places that a configuration may name."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

OBJECT_STORES = ("s3", "gs", "az", "abfs", "abfss")

VISIBLE_ASCII = re.compile(r"[!-~]+")
# Other characters that are not printable, such as the narrow spaces of macOS, may be in the name of a file.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HOST_NAME = re.compile(r"([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")


def require_address(url: str, *, allow_http: bool) -> None:
    """Raises ValueError, whose text is the end of a sentence, for what is no address that the token may be sent to."""
    # urlsplit drops line breaks without a word, and programs disagree on what a backslash means.
    if not VISIBLE_ASCII.fullmatch(url) or "\\" in url:
        raise ValueError("is empty or contains a character that URLs cannot have")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("has an invalid host or port") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("does not start with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("contains credentials")
    if "?" in url or "#" in url:
        raise ValueError("contains a query or a fragment")
    host = parts.hostname or ""
    if port == 0 or not (_ip_address(host) or _HOST_NAME.fullmatch(host)):
        raise ValueError("has no valid host and port")
    if parts.scheme == "http" and not _is_loopback(host) and not allow_http:
        raise ValueError("would send the token unencrypted to another machine, which only allow_http permits")


def require_archive(place: str, *, allow_http: bool) -> None:
    """Raises ValueError for what exports cannot be read from: neither a path nor a URL of the web or of a store."""
    parts = _parts_of_place(place)
    if parts is None:
        return
    if parts.scheme not in ("http", "https", *OBJECT_STORES):
        raise ValueError("does not start with https:// or with an object store's scheme (s3, gs, az, abfs)")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or "") and not allow_http:
        raise ValueError("would be fetched unencrypted from another machine, which only allow_http permits")


def require_folder(place: str) -> None:
    """Raises ValueError for what files cannot be written to: neither a path nor the URL of a store."""
    parts = _parts_of_place(place)
    if parts is not None and (parts.scheme not in OBJECT_STORES or not parts.netloc):
        raise ValueError("is neither a path nor a URL with an object store's scheme (s3, gs, az, abfs) and a bucket")


def _parts_of_place(place: str) -> SplitResult | None:
    """The parts of a URL; None for a path. Raises ValueError for what can be neither, or holds what is secret."""
    if not place.strip() or _CONTROL.search(place):
        raise ValueError("is empty or contains a line break or another control character")
    if "://" not in place:
        return None
    try:
        parts = urlsplit(place)
    except ValueError:
        raise ValueError("has an invalid host") from None
    # A container of Azure stands before the host of its account, as a name does.
    if "@" in parts.netloc and (not parts.scheme.startswith("abfs") or parts.password):
        raise ValueError("contains credentials")
    if ("?" in place or "#" in place) and parts.scheme in OBJECT_STORES:
        raise ValueError("contains a query or a fragment")
    return parts


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _ip_address(host)
    return host == "localhost" if address is None else address.is_loopback
