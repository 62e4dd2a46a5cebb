from __future__ import annotations

import estimators as e
import numpy as np
import pytest

CLASSES, WIDTH, ROWS = 3, 4, 200


@pytest.fixture(scope="module")
def toy() -> tuple[e.Array, e.Labels]:
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(CLASSES), [120, 60, 20])
    means = generator.normal(size=(CLASSES, WIDTH))
    return means[labels] + generator.normal(size=(ROWS, WIDTH)), labels.astype(np.int64)


def refitted_without_each_row(
    x: e.Array, y: e.Labels, penalty: float, offset: e.Array | float
) -> e.Array:
    result = np.empty((len(x), CLASSES))
    for i in range(len(x)):
        kept = np.arange(len(x)) != i
        head = e.fit_head(x[kept], y[kept], CLASSES, penalty, offset)
        result[i] = head @ np.append(x[i], 1)
    return result


@pytest.mark.parametrize("penalty", [0.3, 1.0, 10.0])
@pytest.mark.parametrize("adjusted", [False, True])
def test_approximate_leave_one_out_scores_are_those_of_exact_refits(
    toy: tuple[e.Array, e.Labels], penalty: float, adjusted: bool
) -> None:
    x, y = toy
    offset = np.log([0.6, 0.3, 0.1]) if adjusted else 0.0
    scores = e.with_bias(x) @ e.fit_head(x, y, CLASSES, penalty, offset).T
    exact = refitted_without_each_row(x, y, penalty, offset)
    approximate = e.leave_one_out_scores(x, scores, y, penalty, offset)
    assert np.square(approximate - exact).mean() < 0.08**2 * np.square(exact - scores).mean()
    own = np.arange(len(y))
    assert (approximate[own, y] < scores[own, y]).all()


def test_the_decay_of_a_head_is_that_of_its_fit(toy: tuple[e.Array, e.Labels]) -> None:
    x, y = toy
    head = e.fit_head(x, y, CLASSES, 0.02 * len(y))
    assert e.stationary_decay(x, y, head) == pytest.approx(0.02, rel=1e-4)
    assert e.stationary_decay(x, y, 0.5 * head) > 0.02


def test_leverage_is_a_block_of_the_inverse_hessian(toy: tuple[e.Array, e.Labels]) -> None:
    x = e.with_bias(toy[0])
    p = np.random.default_rng(2).dirichlet(np.ones(CLASSES), len(x))
    hessian = 0.5 * np.eye(CLASSES * (WIDTH + 1))
    for row, posterior in zip(x, p, strict=True):
        hessian += np.kron(np.diag(posterior) - np.outer(posterior, posterior), np.outer(row, row))
    wide = np.kron(np.eye(CLASSES), x[7])
    expected = wide @ np.linalg.solve(hessian, wide.T)
    np.testing.assert_allclose(e.leverages(x, p, 0.5, x[7:8], True)[0], expected, rtol=1e-9)


def test_gaussian_scores_without_a_row_are_those_of_the_other_rows(
    toy: tuple[e.Array, e.Labels],
) -> None:
    x, y = toy
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
        e.log_softmax(e.gaussian_scores(x, y, CLASSES, ridge, leave_out=True)),
        e.log_softmax(expected),
        rtol=1e-8,
    )


def test_every_fold_of_a_cross_fit_has_its_share_of_every_class(
    toy: tuple[e.Array, e.Labels],
) -> None:
    fold = e.folds_of(toy[1], 5)
    for c in range(CLASSES):
        sizes = np.bincount(fold[toy[1] == c], minlength=5)
        assert sizes.max() - sizes.min() <= 1


def test_pooling_draws_towards_the_line_by_the_shares_of_the_variances() -> None:
    generator = np.random.default_rng(3)
    x = np.linspace(-6, -1, 400)
    truth = 0.5 + 0.8 * x + generator.normal(0, 0.3, 400)
    error = np.where(np.arange(400) % 2 == 0, 0.05, 0.9)
    pooled = e.pool(x, truth + generator.normal(0, error), error)
    assert pooled.slope == pytest.approx(0.8, abs=0.03)
    assert pooled.variance == pytest.approx(0.09, rel=0.35)
    off = pooled.log_q - truth
    spread = (off - off.mean())[1::2].std()
    assert spread == pytest.approx(0.9 * 0.3 / np.hypot(0.9, 0.3), rel=0.15)
