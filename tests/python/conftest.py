"""Data and the command, for the tests of the Python package."""

import json
import os
import pathlib
import subprocess
import warnings

import numpy as np
import prior2posterior as p2p
import pytest

SOURCE = pathlib.Path(os.environ.get("P2P_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
COMMAND = os.environ.get("P2P_COMMAND", str(SOURCE / "build-test" / "p2p"))


class Toy:
    """A small long-tailed data set: 9,000 rows of 7 classes, more than two blocks."""

    def __init__(self):
        rng = np.random.default_rng(0)
        share = np.array([0.5, 0.2, 0.12, 0.08, 0.05, 0.03, 0.02])
        self.n_classes = 7
        self.labels = rng.choice(7, size=9000, p=share)
        self.counts = np.bincount(self.labels, minlength=7)
        logits = rng.normal(0, 1.5, (9000, 7)) + np.log(share)
        logits[np.arange(9000), self.labels] += 2.5
        self.logits = logits.astype(np.float32)
        self.names = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"]


@pytest.fixture(scope="session")
def toy():
    """The data; tests do not change it."""
    data = Toy()
    data.logits.flags.writeable = False
    data.labels.flags.writeable = False
    return data


@pytest.fixture(scope="session")
def sample():
    """ResNet-20 on CIFAR-10-LT, the sample of the repository."""
    with np.load(SOURCE / "data" / "cifar10-lt100-resnet20-ce-mixup.npz") as archive:
        return dict(archive)


@pytest.fixture
def command(tmp_path):
    """Runs the command in a folder of its own, where arrays given by name are files."""

    def run(*arguments, **arrays):
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
        result = subprocess.run(
            [COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    run.folder = tmp_path
    return run


@pytest.fixture(autouse=True)
def no_unexpected_warning():
    """A warning that a test does not expect is a failure, but for words about the data."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", p2p.PriorWarning)
        yield


def softmax(scores):
    """Row-wise, in float64."""
    z = np.asarray(scores, np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
