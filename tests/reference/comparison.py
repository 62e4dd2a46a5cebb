"""What several comparisons share."""

import numpy as np
import oracle
import pytest
from harness import SAMPLE, p2p
from oracle import centred
from reference import log_softmax

CLOSE = {"rtol": 0, "atol": 1e-6}
TARGETS = pytest.mark.parametrize("target", ["target", "tilted"])
CONFUSIONS = pytest.mark.parametrize("confusion", ["soft", "hard"])


def one_hot(labels):
    return np.eye(10)[labels]


class Calibrated:
    """Scores under the distribution of the held-out rows, and the prior that goes with it."""

    def __init__(self, held, target, weights=None):
        self.temperature, self.offset = oracle.fit_bias(held.scores, held.labels, weights)
        self.held = held.scores / self.temperature + self.offset
        self.target = target.scores / self.temperature + self.offset
        self.prior = oracle.mean_posterior(self.held, weights)

    def delta(self, t):
        return centred(self.offset + np.log(t) - np.log(self.prior))


def estimate_target(split, method, held, target, *options, prior=None):
    labelled = held.holdout if held else []
    return split.correct(method, *labelled, "--unlabelled", target.file, *options, prior=prior)


def check(found, t, delta):
    np.testing.assert_allclose(np.log(found["target_prior"]), np.log(t), **CLOSE)
    np.testing.assert_allclose(found["delta"], delta, **CLOSE)


def check_published(split, method, options, expected):
    """Accuracy and NLL of all the test rows, corrected by the command from the shipped file."""
    arrays = {name: f"{SAMPLE}:{name}_logits" for name in ("train", "test")}
    out = split.folder / "published.npy"
    p2p("correct", arrays["test"], "--prior", split.counted, "--method", method,
        *[arrays.get(o, o) for o in options], "-o", out)  # fmt: skip
    labels = np.load(SAMPLE)["test_labels"]
    z = np.load(out).astype(np.float64)
    loss = -log_softmax(z)[np.arange(len(labels)), labels].mean()
    found = (f"{100 * np.mean(z.argmax(axis=1) == labels):.2f}", f"{loss:.4f}")
    assert found == expected
