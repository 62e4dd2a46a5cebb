"""Data for the tests of the command."""

import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import harness  # noqa: E402


class Toy:
    """A small long-tailed data set in its own folder: 300 rows of 5 classes, logits.npy, labels.npy
    and counts.npy."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.folder = folder
        self.classes = 5
        self.counts = np.array([160, 80, 35, 15, 10])
        self.labels = np.repeat(np.arange(5), self.counts)
        rng.shuffle(self.labels)
        logits = rng.normal(0, 1.5, (300, 5)) + np.log(self.counts / 300.0)
        logits[np.arange(300), self.labels] += 2.5
        self.logits = logits.astype(np.float32)
        self.save("logits.npy", self.logits)
        self.save("labels.npy", self.labels)
        self.save("counts.npy", self.counts)

    def save(self, name, array):
        np.save(self.folder / name, array)
        return self.folder / name

    def load(self, name):
        return np.load(self.folder / name)


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path)


@pytest.fixture
def prior(toy):
    """The prior of the toy data, in prior.json beside it."""
    return harness.estimate("logits.npy", "--counts", "counts.npy", cwd=toy.folder)


@pytest.fixture(scope="session")
def sample():
    with np.load(harness.SAMPLE) as arrays:
        return dict(arrays)
