"""The recipe of docs/bake.md runs as it stands there."""

import os
import re
import subprocess
import sys

import numpy as np
import onnxruntime
from harness import COMMAND, SOURCE

SETTING = """
import numpy, torch
torch.manual_seed(0)
classes = 5
train_labels = numpy.repeat(numpy.arange(classes), [200, 80, 40, 20, 10])
images = torch.randn(len(train_labels), 3, 8, 8) + torch.tensor(train_labels)[:, None, None, None] / 2
train_loader = [(images[i : i + 64], train_labels[i : i + 64]) for i in range(0, len(images), 64)]
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 16), torch.nn.ReLU(),
                            torch.nn.Linear(16, classes))
example = images[:1]
held_out_images = torch.randn(40, 3, 8, 8)
"""


def test_the_recipe_from_pytorch_to_a_served_file(tmp_path):
    text = (SOURCE / "docs/bake.md").read_text(encoding="utf-8")
    recipe = text.split("## From a PyTorch model")[1]
    script = re.search(r"```python\n(.*?)```", recipe, re.DOTALL).group(1)
    commands = re.findall(r"^    (p2p .*?)(?:  .*)?$", recipe, re.MULTILINE)
    assert len(commands) == 5
    subprocess.run(["/usr/bin/python3", "-c", SETTING + script], cwd=tmp_path, check=True)
    (tmp_path / "p2p").symlink_to(COMMAND)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        subprocess.run(command.split(), cwd=tmp_path, check=True,
                       env={**os.environ, "PATH": path, "P2P_PYTHON": sys.executable})  # fmt: skip
    served, original = (onnxruntime.InferenceSession(tmp_path / name)
                        for name in ("served.onnx", "model.onnx"))  # fmt: skip
    inputs = {"image": np.load(tmp_path / "proof_inputs.npy")}
    change = served.run(None, inputs)[0] - original.run(None, inputs)[0]
    assert np.ptp(change, axis=0).max() < 1e-5  # the same offset in all rows,
    assert np.ptp(change, axis=1).min() > 0.1  # another one for each class
