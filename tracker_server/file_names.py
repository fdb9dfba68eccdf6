"""What strangers call their files, and what is safe to make of it."""

from __future__ import annotations

import re

COPY_OF_FILES = "tracker-files.txt"
"""The file in a folder to which attached files were copied: nothing in it is an export."""
ROWS_OF_EXPORTS = "tracker-rows.txt"
"""The file in a folder to which `tracker-server convert` wrote rows: nothing in it is an export."""
PICTURES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"))
"""The types of files that a browser may show in place: pictures that hold no script."""
SAFE_ENDINGS = re.compile(
    r"\.(avif|bmp|csv|docx?|gif|gz|heic|jpe?g|json|key|log|m4[av]|md|mov|mp[34]|numbers|odt|pages|pdf|png|pptx?|psd"
    r"|rtf|tgz|tiff?|txt|wav|webm|webp|xlsx?|zip)",
    re.IGNORECASE,
)
"""Endings of files that no web server sends as a page or a script."""
LONGEST_NAME, MOST_BYTES = 100, 200
"""Characters of a name without its ending, and bytes: a disk takes 255 bytes, or some fewer."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\w|lpt\w)(?:\..*)?", re.IGNORECASE)
"""Names that are devices for Windows, with any ending."""


def safe_name(filename: str) -> str:
    """A stranger's filename as one that any disk takes, and that no web server takes for a page or a script."""
    base, dot, ending = filename.rpartition(".")
    name = re.sub(r"[^\w.-]+", "_", filename).strip("._-")
    if not (dot and base and SAFE_ENDINGS.fullmatch(f".{ending}")):
        return f"{_shortened(name) or 'file'}.download"
    stem = re.sub(r"[^\w.-]+", "_", base).strip("._-") or "file"
    return f"{_shortened(stem)}.{ending.lower()}"


def _shortened(stem: str) -> str:
    stem = stem[:LONGEST_NAME].encode()[:MOST_BYTES].decode(errors="ignore")
    return f"file-{stem}" if _DEVICE.fullmatch(stem) else stem
