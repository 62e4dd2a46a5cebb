"""The shipped sample as files, cut into held-out and target rows, and the command over them."""

import json
import pathlib
import sys

import numpy as np
import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cli")]

import oracle  # noqa: E402
from harness import SAMPLE, p2p  # noqa: E402
from reference import normalised, softmax  # noqa: E402

CLASSES = 10


class Rows:
    """Scores, labels and the names of their files."""

    def __init__(self, folder, name, scores, labels):
        self.scores = scores
        self.labels = labels
        self.file = folder / f"{name}.npy"
        self.labels_file = folder / f"{name}-labels.npy"
        np.save(self.file, scores)
        np.save(self.labels_file, labels)

    @property
    def shares(self):
        return oracle.label_shares(self.labels, CLASSES)

    @property
    def holdout(self):
        """The options that give these rows to the command as labelled ones."""
        return ["--holdout", self.file, "--holdout-labels", self.labels_file]


class Split:
    """The sample in float64.

    train      the long-tailed training rows
    balanced   500 test rows of each class, labelled
    tail       those of them that follow the counts: 500 of the first class, 5 of the last
    target     the other half of the test rows, balanced
    tilted     those of them that grow from 150 of the first class to 500 of the last
    reverse    those of them that follow the counts backwards
    plain      a prior file of the training rows without counts: labelled rows then count once each
    counted    with counts: labelled rows are then weighted to the training prior
    """

    def __init__(self, folder):
        data = np.load(SAMPLE)
        test, labels = data["test_logits"].astype(np.float64), data["test_labels"]
        self.folder = folder
        self.counts = data["counts"].astype(np.float64)
        self.pi = normalised(self.counts)
        order = np.random.default_rng(0).permutation(len(labels))
        of_class = [order[labels[order] == c] for c in range(CLASSES)]
        share = self.counts / self.counts[0]

        def rows(name, pieces):
            chosen = np.concatenate(pieces)
            return Rows(folder, name, test[chosen], labels[chosen])

        held, target = [i[:500] for i in of_class], [i[500:] for i in of_class]
        self.train = Rows(
            folder, "train", data["train_logits"].astype(np.float64), data["train_labels"]
        )
        self.balanced = rows("balanced", held)
        self.tail = rows("tail", [i[: int(500 * s)] for i, s in zip(held, share)])
        self.target = rows("target", target)
        self.reverse = rows("reverse", [i[: int(500 * s)] for i, s in zip(target, share[::-1])])
        tilt = np.linspace(0.3, 1, CLASSES)
        self.tilted = rows("tilted", [i[: int(500 * s)] for i, s in zip(target, tilt)])
        self.plain, self.counted = folder / "plain.json", folder / "counted.json"
        p2p("estimate", self.train.file, "-o", self.plain)
        p2p("estimate", self.train.file, "--counts", f"{SAMPLE}:counts", "-o", self.counted)
        self.q = softmax(self.train.scores).mean(axis=0)

    def correct(self, method, *options, prior=None, scores=None):
        """What p2p correct --json says; vectors are arrays."""
        outcome = p2p("correct", scores or self.target.file, "--prior", prior or self.plain,
                      "--method", method, *options, "-o", self.folder / "out.npy",
                      "--json")  # fmt: skip
        found = json.loads(outcome.out)
        assert found["converged"], found["warnings"]
        for key in ("delta", "residual", "target_prior"):
            found[key] = np.array(found[key])
        return found


@pytest.fixture(scope="session")
def split(tmp_path_factory):
    return Split(tmp_path_factory.mktemp("reference"))
