"""What the connector can say: every text in its source that has words in it, with `…` for what is filled in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_FILLED_IN = re.compile(r"%(\.\d+)?[dfrs]|\{\w+\}")
_WORD = re.compile(r"[A-Za-z']{2,}")
NOT_TROUBLE = frozenset({"info", "debug"})
"""Methods of a logger whose texts are no trouble."""
COMMANDS = "commands"
"""The folder of commands that somebody runs in a terminal, who reads there what they say; no sync does."""
READ_BY_THE_CDK = "http_stream.py"
"""How the cdk reads the streams by itself, which `read` does not: nobody who runs the connector meets its texts."""


def messages(package: Path) -> dict[str, str]:
    """Each text of two words or more, with the module (relative to the package) that says it.

    Docstrings and what is logged as mere information are not among them.
    """
    return {
        text: str(path.relative_to(package))
        for path in sorted(package.rglob("*.py"))
        if path.name != READ_BY_THE_CDK and path.relative_to(package).parts[0] != COMMANDS
        for text in _texts(ast.parse(path.read_text(encoding="utf-8")))
    }


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NOT_TROUBLE:
        return
    text = _text(node)
    if text is None:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)
    elif " " in text and len(_WORD.findall(text)) > 1:
        yield text


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "…" for part in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _FILLED_IN.sub("…", node.value)
    return None
