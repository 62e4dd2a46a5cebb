"""docs/bake.md has a row for every family, and for no other."""

import os
import pathlib
import re

from families import FAMILIES

DOCUMENT = pathlib.Path(os.environ["P2P_SOURCE_DIR"]) / "docs" / "bake.md"


def test_the_matrix_in_the_documents_has_every_family():
    text = DOCUMENT.read_text(encoding="utf-8")
    table = re.search(r"<!-- bake-matrix -->\n(.*?)<!-- /bake-matrix -->", text, re.DOTALL)[1]
    rows = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    assert [(row[0], row[2]) for row in rows] == [(f.name, f.mode) for f in FAMILIES]


def test_no_family_is_listed_twice():
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
