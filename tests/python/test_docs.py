"""The Python code of the documents runs as it stands, one block after the other."""

import re
import shutil
import subprocess
import sys

import pytest
from conftest import SOURCE

DOCUMENTS = ["README.md", "docs/python.md", "docs/inputs.md", "docs/undoing-weights.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_python_blocks_run(name, tmp_path):
    text = (SOURCE / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert blocks
    (tmp_path / "data").mkdir()
    for file in (SOURCE / "data").iterdir():
        shutil.copy(file, tmp_path / "data")
    (tmp_path / "document.py").write_text("\n".join(blocks))
    result = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "document.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
