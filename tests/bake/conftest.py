"""Models, priors and a folder to bake in."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cli")]
os.environ.setdefault("P2P_PYTHON", sys.executable)

import running  # noqa: E402
from harness import p2p  # noqa: E402
from running import MODELS, correction_of  # noqa: E402


class Priors:
    """Prior files of long-tailed, made-up classifiers, one for each number of classes."""

    def __init__(self, folder):
        self.folder = folder

    def arrays(self, classes):
        """Names of the files with logits, labels and counts."""
        names = [f"{name}-{classes}.npy" for name in ("logits", "labels", "counts")]
        if not (self.folder / names[-1]).exists():
            rng = np.random.default_rng(classes)
            counts = np.round(1000 * 0.02 ** np.linspace(0, 1, classes)).astype(int)
            labels = rng.choice(classes, 500, p=counts / counts.sum())
            logits = rng.normal(0, 1, (500, classes)) + np.log(counts / counts.sum())
            logits[np.arange(500), labels] += 2
            for name, values in zip(names, (logits.astype(np.float32), labels, counts)):
                np.save(self.folder / name, values)
        return [self.folder / name for name in names]

    def make(self, classes, *options, names=()):
        """The file; made once for each set of arguments."""
        file = self.folder / f"{'-'.join(map(str, (classes, *options, *names)))}.json"
        if not file.exists():
            logits, _, counts = self.arrays(classes)
            if names:
                (self.folder / "names.txt").write_text("\n".join(names) + "\n")
                options = (*options, "--classes", self.folder / "names.txt")
            p2p("estimate", logits, "--counts", counts, *options, "-o", file)
        return file

    def holdout(self, classes):
        """Options that give labelled rows to a method."""
        logits, labels, _ = self.arrays(classes)
        return ["--holdout", logits, "--holdout-labels", labels]


@pytest.fixture(scope="session")
def priors(tmp_path_factory):
    return Priors(tmp_path_factory.mktemp("priors"))


class Workplace:
    """A copy of a family's folder, and the command in it."""

    def __init__(self, folder, family, prior):
        self.folder, self.family, self.prior = folder / family.name, family, prior
        subprocess.run(["cp", "-r", "--sparse=always", MODELS / family.name, folder], check=True)
        self.model = self.folder / family.file

    def bake(self, *options, model=None, out="new", prior=None):
        """What bake --json says."""
        written = [] if "--dry-run" in options else ["-o", out + self.model.suffix]
        return p2p("bake", (model or "model") + self.model.suffix, "--prior", prior or self.prior,
                   *self.family.options, *written, *options, "--json", cwd=self.folder).json  # fmt: skip

    def unbake(self, model="new"):
        """The bytes of the model without what was baked."""
        p2p("unbake", self.path(model).name, "-o", self.path("old").name, cwd=self.folder)
        return self.path("old").read_bytes()

    def path(self, name="new"):
        """A model of the family's format."""
        return self.folder / (name + self.model.suffix)

    def outputs(self, name="new"):
        return running.after(self.family, self.path(name))

    @property
    def correction(self):
        return correction_of(self.prior)


@pytest.fixture
def workplace(tmp_path, priors):
    return lambda family: Workplace(tmp_path, family, priors.make(family.classes))
