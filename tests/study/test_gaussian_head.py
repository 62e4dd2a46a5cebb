"""Gaussian classes in place of the last layer."""

import numpy as np
from gaussian import normalised
from gaussian_head import gaussian_scores
from toy import CLASSES, WIDTH, rows


def test_gaussian_scores_without_a_row_are_those_of_the_other_rows():
    x, y = rows()
    ridge = 0.7
    expected = np.empty((len(x), CLASSES))
    for i in range(len(x)):
        kept = np.arange(len(x)) != i
        others, labels = x[kept], y[kept]
        means = np.array([others[labels == c].mean(axis=0) for c in range(CLASSES)])
        r = others - means[labels]
        inverse = np.linalg.inv((r.T @ r + ridge * np.eye(WIDTH)) / len(others))
        u = x[i] - means
        expected[i] = np.log(np.bincount(labels)) - np.einsum("cd,de,ce->c", u, inverse, u) / 2
    np.testing.assert_allclose(
        normalised(gaussian_scores(x, y, CLASSES, ridge, leave_out=True)),
        normalised(expected),
        rtol=1e-8,
    )
