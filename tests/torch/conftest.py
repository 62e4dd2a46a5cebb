"""Prior files and a folder with a model in it."""

import pathlib
import sys

import numpy as np
import pytest
import torch

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cli")]

from harness import p2p  # noqa: E402


class Correction:
    """Options of `p2p bake` and the numbers that they stand for, read off `p2p correct`:
    z' = factor * z + delta."""

    def __init__(self, folder, classes, *options):
        rng = np.random.default_rng(classes)
        counts = np.round(1000 * 0.02 ** np.linspace(0, 1, classes)).astype(int)
        labels = rng.choice(classes, 500, p=counts / counts.sum())
        logits = rng.normal(0, 1, (500, classes)) + np.log(counts / counts.sum())
        logits[np.arange(500), labels] += 2
        saved = {"logits": logits.astype(np.float32), "labels": labels, "counts": counts,
                 "zeros-and-ones": np.repeat([[0.0], [1.0]], classes, axis=1)}  # fmt: skip
        for name, array in saved.items():
            np.save(folder / f"{name}.npy", array)
        np.savetxt(folder / "rare.txt", np.r_[0, np.ones(classes - 1)])  # the first never comes
        at = {word: folder / word for word in ("logits.npy", "labels.npy", "rare.txt")}
        self.prior = folder / "prior.json"
        self.options = [at.get(option, option) for option in options]
        p2p("estimate", folder / "logits.npy", "--counts", folder / "counts.npy", "-o", self.prior)
        p2p("correct", folder / "zeros-and-ones.npy", "--input", "logits", "--prior", self.prior,
            *self.options, "-o", folder / "corrected.npy")  # fmt: skip
        self.delta, ones = np.load(folder / "corrected.npy")
        finite = np.isfinite(self.delta)
        self.factor = np.ones(classes)
        self.factor[finite] = ones[finite] - self.delta[finite]


SHIFT = ()
TEMPERATURE = (
    "--method",
    "temperature",
    "--holdout",
    "logits.npy",
    "--holdout-labels",
    "labels.npy",
)
CLASS_SCALES = ("--method", "vector-scaling", *TEMPERATURE[2:])
IMPOSSIBLE_CLASS = ("--target", "rare.txt")


class Place:
    """A folder with model.pt, and the command in it."""

    def __init__(self, folder, corrections):
        self.folder = folder
        self.correction = corrections

    def save(self, module, name="model.pt", **extra):
        torch.jit.save(module, self.folder / name, _extra_files=extra)

    def bake(self, classes, *options, model="model.pt", out="new.pt", kind=SHIFT):
        correction = self.correction(classes, *kind)
        written = [] if out is None else ["-o", out]
        p2p("bake", model, "--prior", correction.prior, *correction.options, *written, *options,
            cwd=self.folder)  # fmt: skip
        return correction

    def load(self, name="new.pt"):
        return torch.jit.load(str(self.folder / name))


@pytest.fixture(scope="session")
def corrections(tmp_path_factory):
    made = {}

    def make(*key):
        if key not in made:
            made[key] = Correction(tmp_path_factory.mktemp("correction"), *key)
        return made[key]

    return make


@pytest.fixture
def place(tmp_path, corrections):
    return Place(tmp_path, corrections)
