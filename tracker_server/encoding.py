"""UTF-8, whatever the locale of the machine says: names of files, JSON and CSV are written in it."""

from __future__ import annotations

import codecs
import io
import locale
import os
import sys


def use_utf_8() -> None:
    """Read names of files and write stdout as UTF-8 from now on.

    Python decides at its start how it reads names, so in another locale this process starts the program again.
    """
    is_utf_8 = codecs.lookup(locale.getpreferredencoding(do_setlocale=False)).name == "utf-8"
    if not is_utf_8 and sys.platform != "win32":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
