"""docs/study.md: the text of study/sections with tables and numbers of the kept results put in."""

from __future__ import annotations

import importlib
import pathlib
import re

from bench import ROOT

PAGE = ROOT / "docs" / "study.md"
SECTIONS = ROOT / "study" / "sections"
#: In the order of the page: a text of study/sections and the module that makes its tables, if any.
PARTS = (
    ("images", "image_tables"),
    ("losses", "single_tables"),
    ("published", None),
    ("text", "text_tables"),
    ("deployed", "deployed_tables"),
    ("synthetic", "synthetic_tables"),
    ("estimators", "estimator_tables"),
)

_NAME = re.compile(r"\{\{([a-z0-9-]+)\}\}")


def filled(text: str, values: dict[str, str], used: set[str]) -> str:
    """`text` with every {{NAME}} replaced; KeyError for a name that no table has."""

    def put(match: re.Match[str]) -> str:
        used.add(match[1])
        return values[match[1]]

    return _NAME.sub(put, text)


def page() -> str:
    """The whole page. LookupError names a cell without results, or a table that no text shows."""
    parts = []
    for section, module in PARTS:
        values: dict[str, str] = importlib.import_module(module).tables() if module else {}
        used: set[str] = set()
        parts.append(filled((SECTIONS / f"{section}.md").read_text(), values, used))
        if unused := values.keys() - used:
            raise LookupError(
                f"study/sections/{section}.md does not show {', '.join(sorted(unused))}"
            )
    return "\n".join(parts)


def write(file: pathlib.Path = PAGE) -> None:
    file.write_text(page())
