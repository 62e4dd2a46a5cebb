"""The recipe of docs/undoing-weights.md runs as it stands there."""

import re

import pytest
from conftest import SOURCE

pytest.importorskip("imblearn")


def test_the_recipe_gives_the_numbers_that_it_states():
    text = (SOURCE / "docs/undoing-weights.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    namespace = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"docs/undoing-weights.md, block {number}", "exec"), namespace)
