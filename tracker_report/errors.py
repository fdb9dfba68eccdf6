"""What a report cannot be made of."""

from __future__ import annotations


class ReportError(Exception):
    """One sentence that says what is wrong and what to do."""
