"""Heads, and scores of rows that they have not seen."""

import leave_one_out
import numpy as np
import pytest
from leave_one_out import folds_of, leave_one_out_scores, leverages
from linear_head import fit_head, stationary_decay, with_bias
from toy import CLASSES, WIDTH, rows


def refitted_without_each_row(x, y, penalty, offset):
    result = np.empty((len(x), CLASSES))
    for i in range(len(x)):
        kept = np.arange(len(x)) != i
        head = fit_head(x[kept], y[kept], CLASSES, penalty, offset)
        result[i] = head @ np.append(x[i], 1)
    return result


def error_by_shift(x, y, penalty, offset=0.0):
    """Error of the approximation by what leaving out changes, root mean squares."""
    scores = with_bias(x) @ fit_head(x, y, CLASSES, penalty, offset).T
    exact = refitted_without_each_row(x, y, penalty, offset)
    approximate = leave_one_out_scores(x, scores, y, penalty, offset)
    return np.sqrt(np.square(approximate - exact).mean() / np.square(exact - scores).mean())


@pytest.mark.parametrize("penalty", [0.3, 1.0, 10.0])
@pytest.mark.parametrize("adjusted", [False, True])
def test_approximate_leave_one_out_scores_are_those_of_exact_refits(penalty, adjusted):
    offset = np.log([0.6, 0.3, 0.1]) if adjusted else 0.0
    assert error_by_shift(*rows(), penalty, offset) < 0.08


def test_each_row_left_out_has_a_lower_score_for_its_class():
    x, y = rows()
    scores = with_bias(x) @ fit_head(x, y, CLASSES, 1.0).T
    own = np.arange(len(y))
    assert (leave_one_out_scores(x, scores, y, 1.0)[own, y] < scores[own, y]).all()


def block_diagonal(x, posterior, penalty, rows):
    """Leverages of a Hessian without the blocks of two classes."""
    result = np.zeros((len(rows), CLASSES, CLASSES))
    for c in range(CLASSES):
        weight = posterior[:, c] * (1 - posterior[:, c])
        hessian = (x * weight[:, None]).T @ x + penalty * np.eye(x.shape[1])
        result[:, c, c] = np.einsum("nd,dn->n", rows, np.linalg.solve(hessian, rows.T))
    return result


def test_without_the_blocks_of_two_classes_the_error_is_half_of_the_shift(monkeypatch):
    monkeypatch.setattr(leave_one_out, "leverages", block_diagonal)
    assert error_by_shift(*rows(), 1.0) == pytest.approx(0.5, abs=0.1)


def test_leverage_is_a_block_of_the_inverse_hessian():
    x = with_bias(rows()[0])
    p = np.random.default_rng(2).dirichlet(np.ones(CLASSES), len(x))
    hessian = 0.5 * np.eye(CLASSES * (WIDTH + 1))
    for row, posterior in zip(x, p, strict=True):
        hessian += np.kron(np.diag(posterior) - np.outer(posterior, posterior), np.outer(row, row))
    wide = np.kron(np.eye(CLASSES), x[7])
    expected = wide @ np.linalg.solve(hessian, wide.T)
    np.testing.assert_allclose(leverages(x, p, 0.5, x[7:8])[0], expected, rtol=1e-9)


def test_the_decay_of_a_head_is_that_of_its_fit():
    x, y = rows()
    head = fit_head(x, y, CLASSES, 0.02 * len(y))
    assert stationary_decay(x, y, head) == pytest.approx(0.02, rel=1e-4)
    assert stationary_decay(x, y, 0.5 * head) > 0.02


def test_every_fold_of_a_cross_fit_has_its_share_of_every_class():
    labels = rows()[1]
    fold = folds_of(labels, 5)
    for c in range(CLASSES):
        sizes = np.bincount(fold[labels == c], minlength=5)
        assert sizes.max() - sizes.min() <= 1
