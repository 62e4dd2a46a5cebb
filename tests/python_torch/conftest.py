"""A made-up long-tailed classifier: scores that believe too much in the frequent classes."""

import numpy as np
import prior2posterior as p2p
import pytest
import torch

CLASSES = 7
ROWS = 3000


def pytest_configure(config):
    """Leave out what small random data always bring up."""
    config.addinivalue_line("filterwarnings", "ignore::prior2posterior.PriorWarning")
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def counts():
    return np.round(500 * 0.02 ** np.linspace(0, 1, CLASSES))


@pytest.fixture(scope="session")
def labels(counts):
    return torch.tensor(np.random.default_rng(0).choice(CLASSES, ROWS, p=counts / counts.sum()))


@pytest.fixture(scope="session")
def logits(counts, labels):
    z = np.random.default_rng(1).normal(0, 1.5, (ROWS, CLASSES)) + np.log(counts)
    z[np.arange(ROWS), labels.numpy()] += 2
    return torch.tensor(z)


@pytest.fixture(scope="session")
def prior(logits, counts):
    return p2p.estimate_prior(logits, counts=counts)
