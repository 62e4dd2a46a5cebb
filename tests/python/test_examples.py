"""The examples run as they stand, and what they assert holds."""

import subprocess
import sys

import pytest
from conftest import SOURCE


def run(name):
    """What the example prints."""
    result = subprocess.run(
        [sys.executable, SOURCE / "examples" / name], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_quickstart_example_runs():
    pytest.importorskip("sklearn")
    table = run("01_quickstart.py").splitlines()[-3:]
    assert [line.split()[0] for line in table] == ["accuracy,", "before", "after"]


def test_dask_example_runs():
    pytest.importorskip("dask")
    assert run("03_dask.py").splitlines()[-1] == (
        "49152 rows in 6 partitions: the same bits as one pass"
    )
