"""Places to train in, and the ONNX Runtime of the tests of baking."""

import pathlib
import signal
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cli")]

from harness import SOURCE  # noqa: E402
from runs import Place  # noqa: E402

# A shell's background jobs ignore it, and what they start does too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture(scope="class")
def shared(tmp_path_factory):
    """A place for all tests of a class."""
    return Place(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def onnxruntime():
    """A Python that has ONNX Runtime."""
    python = SOURCE / ".venv" / "bake" / "bin" / "python"
    if not python.exists():
        pytest.skip("no ONNX Runtime: scripts/python-env bake has not been run")
    return python
