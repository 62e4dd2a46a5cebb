"""The example for PyTorch runs as it is, and its assertions hold."""

import pathlib
import subprocess
import sys

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "02_torch.py"


def test_the_example_gains_on_medium_and_few_classes():
    result = subprocess.run(
        [sys.executable, EXAMPLE], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    table = [line.split() for line in result.stdout.splitlines()[-4:]]
    gain = {name: float(after) - float(before) for name, before, after in table}
    assert gain["medium"] > 0.1
    assert gain["few"] > 0.1
