"""Tables and numbers as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; None is an empty field."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join("" if v is None else str(v) for v in line) + " |" for line in lines
    )


def percent(share: float | None, digits: int = 2) -> str | None:
    return None if share is None else f"{100 * share:.{digits}f}"


def number(value: float | None, digits: int = 4) -> str | None:
    return None if value is None else f"{value:.{digits}f}"
