"""The headers of the files that comments hold, so that no browser takes a stranger's file for a page of ours."""

from __future__ import annotations

from urllib.parse import quote

from tracker_server.world import PICTURES, StoredFile


def download_headers(file: StoredFile, *, inline: bool) -> dict[str, str]:
    """The headers of a file: only a picture is shown in place, and only if that is asked for."""
    place = "inline" if inline and file.content_type in PICTURES else "attachment"
    return {
        "Content-Type": file.content_type or "application/octet-stream",
        "Content-Length": str(file.size),
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(file.filename, safe='', errors='replace')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
