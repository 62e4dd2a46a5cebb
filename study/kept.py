"""Numbers of cells by their names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cell import Cell


def named(these: Iterable[Cell], name: str) -> dict[str, Any]:
    """What is stored of the cell of this name; LookupError when nothing is."""
    for cell in these:
        if cell.name == name and (stored := cell.stored()) is not None:
            return stored
    raise LookupError(f"cell {name} has no results; study/run --only {name} makes them")
