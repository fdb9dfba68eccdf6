"""Types of command line arguments."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """The type of an argument that is a number between these two."""

    def number(text: str) -> int:
        if not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text} is not between {lowest} and {highest}")
        return int(text)

    return number


HOST = os.environ.get("TRACKER_SERVER_HOST", "127.0.0.1")
"""Every address in a container; elsewhere only this machine."""

ONLY_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
"""Addresses that only this machine reaches."""

port = whole_number(0, 65_535)
project_id = whole_number(1, 2**53)
projects = whole_number(1, 1_000)
stories_in_memory = whole_number(1, 100_000_000)
stories = whole_number(1, 100_000)


def first_line(what: str) -> Callable[[str], str]:
    """The type of an argument that names a file with a secret in its first line, such as a `password`."""

    def line(path: str) -> str:
        try:
            found = Path(path).read_text("utf-8-sig").partition("\n")[0].strip()
        except OSError as error:
            raise argparse.ArgumentTypeError(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise argparse.ArgumentTypeError(f"{path} is not text in UTF-8") from None
        if not found:
            raise argparse.ArgumentTypeError(f"{path} holds no {what} in its first line")
        return found

    return line


password = first_line("password")
token = first_line("token")


def add_password_file(command: argparse.ArgumentParser) -> None:
    """Add the option `--password-file`, whose value is the password."""
    command.add_argument(
        "--password-file", type=password, metavar="FILE",
        help="file with a password that browsers ask for (any user name), and that the API takes as the token (none)",
    )  # fmt: skip
